"""Submit experiments with the StudioML client's own classes. In: see `Submission` in test/helpers/client.ts. Out: {"keys": []}."""
import json
import sys
import time
import uuid

from session import credentials, main

from studio.experiments.experiment import Experiment
from studio.payload_builders.unencrypted_payload_builder import UnencryptedPayloadBuilder
from studio.queues import queues_setup


def artifacts_of(wanted, access):
    """Immutable inputs from local paths (a directory, or a single file), and mutable ones that don't exist yet."""
    inputs = dict(wanted.get('inputs', {}), workspace=wanted['workspace'])
    artifacts = {label: {'mutable': False, 'unpack': True, 'local': path} for label, path in inputs.items()}
    artifacts.update({label: {'mutable': True, 'unpack': True} for label in wanted['mutable']})
    if access:
        for artifact in artifacts.values():
            artifact['credentials'] = access
    return artifacts


def submit(spec, config, database):
    queue = queues_setup.get_queue(spec['queue'], config=config)
    requests = []
    for wanted in spec['experiments']:
        experiment = Experiment(
            wanted.get('key') or f'{int(time.time())}_{uuid.uuid4()}',
            wanted['filename'],
            wanted.get('args', []),
            wanted.get('requirements', []),
            project=wanted.get('project', 'tests'),
            artifacts=artifacts_of(wanted, credentials(spec)),
            resources_needed=wanted.get('resources', {'cpus': 1, 'gpus': 0, 'ram': '64mb', 'hdd': '64mb'}),
            pythonver=wanted.get('pythonver'),
            max_duration=wanted.get('maxDuration', '10m'),
        )
        database.add_experiment(experiment)
        requests.append((experiment.key, json.dumps(UnencryptedPayloadBuilder('plain').construct(experiment, config, []))))
    for key, request in requests:
        queue.enqueue(request)
        print(f'queued {key}', file=sys.stderr)
    return {'keys': [key for key, _ in requests]}


main(submit)
