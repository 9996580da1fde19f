import { rows } from '../option-rows.ts';

/** What is trusted: keys, credentials, clear text. */
export const trustOptions = rows({
  clearTextMessages: {
    env: 'CLEAR_TEXT_MESSAGES',
    type: 'boolean',
    default: 'false',
    meaning: 'Accept requests that are not encrypted.',
  },
  allowEnvSecrets: {
    env: 'ALLOW_ENV_SECRETS',
    type: 'boolean',
    default: 'false',
    meaning: "Use credentials in a request's config.env for artifacts that carry none.",
  },
  allowRunnerCredentials: {
    env: 'ALLOW_RUNNER_CREDENTIALS',
    type: 'boolean',
    default: 'false',
    meaning: "Use the runner's own AWS credentials for artifacts that carry none.",
  },
  fileRoots: {
    env: 'FILE_ROOTS',
    type: 'paths',
    default: '',
    meaning:
      'Directories below which file:// artifacts may lie. Where not given: anywhere for requests of a directory queue, nowhere for others.',
  },
  certsDir: {
    env: 'CERTS_DIR',
    type: 'path',
    default: './certs',
    meaning: 'Parent of the three directories of keys below.',
  },
  encryptDir: {
    env: 'ENCRYPT_DIR',
    type: 'path',
    default: '${CERTS_DIR:-./certs}/message',
    meaning: "The cluster's key pair, which opens encrypted requests.",
  },
  requestSignaturesDir: {
    env: 'REQUEST_SIGNATURES_DIR',
    type: 'path',
    default: '${CERTS_DIR:-./certs}/queues/signing',
    meaning: "Senders' public keys, each file named with a queue name's beginning.",
  },
  responseSignaturesDir: {
    env: 'RESPONSE_SIGNATURES_DIR',
    type: 'path',
    default: '${CERTS_DIR:-./certs}/queues/response-encrypt',
    meaning: "Public keys that reports are sealed with, each file named with a response queue name's beginning.",
  },
  s3Ca: {
    env: 'S3_CA',
    type: 'path',
    default: '',
    meaning:
      "Certificate authority of S3 servers, PEM, beside the system's. With it, or S3_CERT, all are spoken to with TLS.",
  },
  s3Cert: {
    env: 'S3_CERT',
    type: 'path',
    default: '',
    meaning: 'Client certificate for S3 servers, PEM; needs S3_KEY.',
  },
  s3Key: {
    env: 'S3_KEY',
    type: 'path',
    default: '',
    meaning: 'Key of the client certificate, PEM.',
  },
  imageAllow: {
    env: 'IMAGE_ALLOW',
    type: 'list',
    value: 'PATTERN,…',
    default: '',
    meaning:
      'Container images that are trusted: references such as tensorflow/*, places that archives are fetched from such as s3://host/bucket/*; * stands for any characters. Where not given: any, since who may send a request may send any program.',
  },
  experimentUser: {
    env: 'EXPERIMENT_USER',
    type: 'text',
    value: 'USER',
    default: '',
    meaning:
      "User that experiments run as, a name or UID[:GID], where the runner is root. Where not given: the runner's own. Installers of packages run as the runner.",
  },
  statusToken: {
    env: 'STATUS_TOKEN',
    type: 'text',
    value: 'TOKEN',
    default: '',
    secret: true,
    meaning:
      'Bearer token that the HTTP address asks for, except for health, metrics and the amount of work. Where not given, only the machine of the runner may show output and cancel.',
  },
});
