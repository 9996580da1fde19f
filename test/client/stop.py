"""Stop an experiment with the StudioML client's own classes. In: see `Stop` in test/helpers/client.ts. Out: {}."""
from session import main


def stop(spec, _config, database):
    database.stop_experiment(spec['key'])
    return {}


main(stop)
