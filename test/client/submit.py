"""Submit experiments with the StudioML client's own classes. In: see `Submission` in test/helpers/client.ts. Out: {"keys": []}."""
import json
import sys
import time
import uuid

from session import credentials, main

from studio.experiments.experiment import Experiment
from studio.payload_builders.unencrypted_payload_builder import UnencryptedPayloadBuilder
from studio.queues import queues_setup
from studio.queues.rabbit_queue import RMQueue


class Deliveries(list):
    """Numbers of messages that the broker has not confirmed yet, whichever comes first: the confirmation or the note of it."""

    def __init__(self):
        super().__init__()
        self.early = set()

    def append(self, number):
        if number in self.early:
            self.early.remove(number)
        else:
            super().append(number)

    def remove(self, number):
        if number in self:
            super().remove(number)
        else:
            self.early.add(number)


def tolerate_quick_brokers():
    """The client notes a message after it has published it, and dies of a confirmation that is quicker than that."""
    own = '_tolerant_deliveries'
    RMQueue._deliveries = property(lambda self: self.__dict__[own], lambda self, _: self.__dict__.__setitem__(own, Deliveries()))


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
    tolerate_quick_brokers()
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
