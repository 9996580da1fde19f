"""Download experiments with the StudioML client's own classes. In: see `Collection` in test/helpers/client.ts.

Out: {KEY: {"status": ..., "artifacts": {LABEL: path or null}}}; an artifact is null where the store doesn't have it.
A path is a directory, or a file where the artifact was packed from a single one.
"""
import os

from session import main


def collect(spec, _config, database):
    found = {}
    for number, key in enumerate(spec['keys']):
        experiment = database.get_experiment(key, getinfo=False)
        if experiment is None:
            found[key] = {'status': None, 'artifacts': {}}
            continue
        directory = os.path.join(spec['directory'], str(number))
        os.makedirs(directory, exist_ok=True)
        artifacts = {
            label: database.get_artifact(artifact, local_path=os.path.join(directory, label), only_newer=False)
            for label, artifact in experiment.artifacts.items()
        }
        times = {name: getattr(experiment, 'time_' + name) for name in ('added', 'started', 'last_checkpoint', 'finished')}
        found[key] = {'status': experiment.status, 'times': times, 'artifacts': artifacts}
    return found


main(collect)
