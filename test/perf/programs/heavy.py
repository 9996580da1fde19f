import os, shutil
# Its input becomes its result: as much comes in as goes out.
for name in os.listdir('../data'):
    shutil.move(os.path.join('../data', name), '../modeldir/weights')
