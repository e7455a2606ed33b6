import { expect } from 'chai';
import { noSteps } from '../../src/driver-context.js';
import type { FileOutcome, FileRunner, FileScript } from '../../src/files/file-call.js';
import { planOf } from '../../src/files/file-plan.js';
import { runPlan, toError, valueAt } from '../../src/files/stepwise.js';
import { realContext } from '../support/context.js';

/** A runner that answers each call with the name of its path, and fails at one of them. */
describe('plans that are run step by step', () => {
  const plan = planOf<'name'>((blank) =>
    ['a', 'b', 'c', 'd'].map((path) => ({
      calls: [{ do: 'read-file', path: `${path}${blank('name')}`, bytesMax: 1 }],
      ...(path === 'b' || path === 'd' ? { step: `after ${path}` } : {}),
    })),
  );
  let scripts: FileScript[];
  let steps: string[];
  let failsAt: string | undefined;

  const files: FileRunner = {
    run: (script, values = {}) => {
      scripts.push(script);
      const answered: string[] = [];
      for (const [round, calls] of script.entries()) {
        const path = (calls[0]?.path ?? '').replace('\0name\0', values['name'] ?? '?');
        if (path === failsAt)
          return Promise.resolve({ values: answered, fault: { round, code: 'EIO', message: 'broken', syscall: 'read', path } });
        answered.push(path);
      }
      return Promise.resolve({ values: answered });
    },
  };
  const run = (onStep = noSteps): Promise<FileOutcome> => runPlan({ context: realContext({ onStep }), files, values: { name: '!' } }, plan);
  const watch = async (step: string): Promise<void> => {
    steps.push(step);
    await Promise.resolve();
  };

  beforeEach(() => {
    scripts = [];
    steps = [];
    failsAt = undefined;
  });

  it('go as one script where nobody watches', async () => {
    expect(await run()).to.deep.equal({ values: ['a!', 'b!', 'c!', 'd!'] });
    expect(scripts).to.deep.equal([plan.script]);
  });

  it('answer the same where somebody does, who is told each step after what it says', async () => {
    expect(await run(watch)).to.deep.equal(await run());
    expect(steps).to.deep.equal(['after b', 'after d']);
  });

  for (const path of ['a!', 'c!', 'd!']) {
    it(`end at ${path} as one script does, with its round in the whole`, async () => {
      failsAt = path;
      const outcome = await run(watch);
      expect(outcome).to.deep.equal(await run());
      expect(outcome.fault).to.include({ round: 'abcd'.indexOf(path.charAt(0)), path });
      expect(steps).to.deep.equal(path === 'a!' ? [] : ['after b']);
    });
  }

  it('tell a fault as Node tells its own, and miss an answer that did not come', () => {
    const fault = { round: 0, code: 'EIO', message: 'broken', syscall: 'read', path: '/there' };
    expect(toError(fault)).to.include({ code: 'EIO', message: 'broken', syscall: 'read', path: '/there' });
    expect(valueAt({ values: ['', 'one'] }, 0)).to.equal('');
    expect(() => valueAt({ values: ['one'] }, 1))
      .to.throw('has not answered')
      .with.property('reason', 'INTERNAL');
  });
});
