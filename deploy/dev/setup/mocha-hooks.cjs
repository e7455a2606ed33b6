const { statSync } = require('node:fs');

/**
 * Between the files of a worker of mocha, which loads each file behind the tests of those before.
 *
 * realpathSync of Node 20 asks whether the last thing that anybody looked at was a pipe or a socket, and then gives a path back with its links. A
 * test that removes a folder with a socket in it is enough: the next file gets a package by its link, as a second copy of it, whose
 * classes are not those of the first.
 */
exports.mochaHooks = {
  afterAll() {
    statSync(__filename);
  },
};
