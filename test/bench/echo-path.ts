export const ECHO_PATH = '/bench.Echo/Echo';
