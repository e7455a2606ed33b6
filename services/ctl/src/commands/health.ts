import type { Command } from 'commander';
import type { Act } from '../arguments.js';

export function registerHealth(program: Command, act: Act): void {
  program
    .command('health')
    .description('ask whether a server serves; for health checks')
    .action(
      act(async (session) => {
        const { address, serving } = await session.client.checkHealth(session.context);
        if (!serving) session.endWith('noAnswer');
        session.show({ address, serving }, () => `${address} ${serving ? 'serves' : 'does not serve yet, or is stopping'}`);
      }),
    );
}
