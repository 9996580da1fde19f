import { tmpdir } from 'node:os';

/** A directory for temporary ones in which there are sockets: the path of a socket has to be short. */
export const shortTemporary = tmpdir().length <= 20 ? tmpdir() : '/tmp';
