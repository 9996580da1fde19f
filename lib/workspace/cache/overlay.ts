import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../resources/child-process.ts';
import { isOfLiving, ownProcess } from '../../resources/process-identity.ts';
import { removeAbandoned } from '../abandoned.ts';
import { removeTree } from '../remove-tree.ts';

/** What would be read as something else in the options of a mount. */
const special = /[\s,:\\"']/;
/** Directories can be renamed, and a changed mode or owner copies no content. Older kernels know less. */
const optionSets = ['redirect_dir=on,metacopy=on,index=off', 'index=off', ''] as const;

/** Shows a directory as another, in which all that is written stays beside it: the first one never changes. */
export interface Overlays {
  /**
   * Show `lower` at `at`, an empty directory that exists. Out: takes it away again.
   * Errors: those of mount.
   */
  mount(lower: string, at: string): Promise<() => Promise<void>>;
}

const unmount = async (at: string): Promise<void> => {
  try {
    await run('umount', [at]);
  } catch {
    // Somebody still stands in it: it is out of sight now, and goes when he does.
    await run('umount', ['-l', at]);
  }
};

/** Mount points of the mounts whose source is named by one of our processes. Source: proc_pid_mountinfo(5). */
const mounted = (prefix: string): { readonly at: string; readonly owner: string }[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap(line => {
      const [fields = '', rest = ''] = line.split(' - ');
      const at = (fields.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal: string) =>
        String.fromCharCode(parseInt(octal, 8)),
      );
      const [type = '', source = ''] = rest.split(' ');
      return type === 'overlay' && source.startsWith(prefix) ? [{ at, owner: source.slice(prefix.length) }] : [];
    });

const sourcePrefix = 'studioml-runner-';

/** Take away what runners left that died: their mounts, and what was written in them. */
const removeLeftovers = async (directory: string): Promise<void> => {
  for (const { at, owner } of mounted(sourcePrefix)) if (!isOfLiving(owner, Date.now())) await unmount(at);
  await removeAbandoned(directory);
};

/**
 * @param directory for what is written, on the disk of the attempts' directories; made where it is not there
 * Out: undefined where this runner may not mount, or the file system can't be written over so.
 */
export const openOverlays = async (directory: string): Promise<Overlays | undefined> => {
  if (special.test(directory)) return undefined;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  await removeLeftovers(directory);
  const mountWith = async (options: string, lower: string, at: string): Promise<() => Promise<void>> => {
    if (special.test(lower)) throw new Error(`its path can't be told to mount: ${lower}`);
    const place = join(directory, `${ownProcess}~${randomUUID()}`);
    const [upper, work] = [join(place, 'upper'), join(place, 'work')];
    mkdirSync(place, { mode: 0o755 });
    mkdirSync(upper, { mode: 0o755 });
    mkdirSync(work);
    const told = `lowerdir=${lower},upperdir=${upper},workdir=${work}${options === '' ? '' : `,${options}`}`;
    try {
      await run('mount', ['-t', 'overlay', `${sourcePrefix}${ownProcess}`, '-o', told, at]);
    } catch (error) {
      await removeTree(place);
      throw error;
    }
    return async () => {
      await unmount(at);
      await removeTree(place);
    };
  };

  const probe = join(directory, `${ownProcess}~probe`);
  const [lower, at] = [join(probe, 'lower'), join(probe, 'at')];
  try {
    for (const one of [probe, lower, at]) mkdirSync(one);
    writeFileSync(join(lower, 'file'), 'before');
    for (const options of optionSets) {
      try {
        const remove = await mountWith(options, lower, at);
        try {
          writeFileSync(join(at, 'file'), 'after');
        } finally {
          await remove();
        }
        if (readFileSync(join(lower, 'file'), 'utf8') !== 'before') return undefined;
        return { mount: (from, to) => mountWith(options, from, to) };
      } catch {
        // Not with these options.
      }
    }
    return undefined;
  } finally {
    await removeTree(probe);
  }
};
