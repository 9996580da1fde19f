"""What submit.py and collect.py share: the client's configuration, and how they answer.

Both read one JSON object from stdin and write one to stdout. Whatever the client's libraries print goes to stderr.
The client keeps its files below $STUDIOML_HOME.
"""
import json
import os
import sys

_answer = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)

from studio.db_providers import db_provider_setup  # noqa: E402  (logs at import)


def configuration(spec):
    """The client's configuration: where its stores and its broker are, and `spec['config']` on top."""
    store = spec['store']
    if store['type'] == 's3':
        place = {'type': 's3', 'endpoint': store['endpoint'], 'credentials': credentials(spec)}
    else:
        place = {'type': 'local', 'endpoint': store['directory']}
    config = {
        'database': dict(place, bucket=store['metadataBucket']),
        'storage': dict(place, bucket=store['bucket']),
        'experimentLifetime': '30m',
        'saveWorkspaceFrequency': '2m',
        'verbose': 'error',
        'cloud': {'queue': {'rmq': spec['amqpUrl']}} if 'amqpUrl' in spec else {},
        'env': {},
    }
    config.update(spec.get('config', {}))
    return config


def credentials(spec):
    """The credentials as requests carry them; None for a local store."""
    store = spec['store']
    if store['type'] != 's3':
        return None
    return {'aws': {'access_key': store['accessKey'], 'secret_access_key': store['secretKey']}}


def main(work):
    """Answer with what `work` makes of the input. os._exit, since the client's queue keeps a thread of its own."""
    code = 1
    try:
        spec = json.load(sys.stdin)
        config = configuration(spec)
        json.dump(work(spec, config, db_provider_setup.get_db_provider(config)), _answer)
        _answer.flush()
        code = 0
    except BaseException:  # the client ends the process by SystemExit where it gives up
        sys.excepthook(*sys.exc_info())
    sys.stderr.flush()
    os._exit(code)
