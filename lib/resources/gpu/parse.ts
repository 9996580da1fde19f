import { elementsAt, parseXml, textAt, type XmlElement } from './xml.ts';

/** What nvidia-smi says of a card, or of a MIG instance, which is one for who uses it. Sizes in bytes. */
export interface MeasuredCard {
  readonly uuid: string;
  /** Of the card. */
  readonly name: string;
  /** Place of the card in nvidia-smi's order. */
  readonly index: number;
  readonly memoryBytes: number;
  readonly usedBytes: number;
  /** Memory errors that could not be corrected since the driver was loaded. */
  readonly uncorrectable: number;
  /** Of a MIG instance: the card that it is a part of. */
  readonly part?: { readonly of: string; readonly ofMemoryBytes: number };
}

const mib = 2 ** 20;

const bytesAt = (from: XmlElement, ...path: readonly string[]): number =>
  Number.parseFloat(textAt(from, ...path) ?? '') * mib || 0;

/** `N/A` is none. Older drivers sum up what newer ones tell apart. */
const countsIn = (from: XmlElement | undefined, names: RegExp): number =>
  (from?.children ?? []).reduce((sum, { name, text, children }) => {
    const own = names.test(name) ? Number(text) || 0 : 0;
    return (
      sum +
      own +
      children.reduce((inner, one) => inner + (one.name === 'total' && names.test(name) ? Number(one.text) || 0 : 0), 0)
    );
  }, 0);

const uncorrectableIn = (gpu: XmlElement): number =>
  countsIn(elementsAt(gpu, 'ecc_errors', 'volatile')[0], /uncorrectable|^double_bit$/);

/** UUIDs of the MIG instances of each card, by the card's UUID and the instance's number. @param list what `nvidia-smi -L` prints */
const instancesIn = (list: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  let card = '';
  for (const line of list.split('\n')) {
    card = /^GPU \d+: .*\(UUID: (\S+)\)/.exec(line)?.[1] ?? card;
    const [, number, uuid] = /^\s+MIG .*Device\s+(\d+): \(UUID: (\S+)\)/.exec(line) ?? [];
    if (number !== undefined && uuid !== undefined) found.set(`${card} ${number}`, uuid);
  }
  return found;
};

/**
 * The cards and MIG instances that can be used. A card in MIG mode is used by its instances only.
 * @param xml what `nvidia-smi -q -x` prints
 * @param list what `nvidia-smi -L` prints; asked for where there are MIG instances, whose UUIDs stand there alone
 * Errors: SyntaxError for what is no such output.
 * Source: nvidia-smi(1); NVIDIA Multi-Instance GPU User Guide, "Device Enumeration".
 */
export const parseCards = (xml: string, list: string): readonly MeasuredCard[] => {
  const [log] = elementsAt(parseXml(xml), 'nvidia_smi_log');
  if (!log) throw new SyntaxError('expected an element nvidia_smi_log');
  const instances = instancesIn(list);
  return elementsAt(log, 'gpu').flatMap((gpu, index): MeasuredCard[] => {
    const uuid = textAt(gpu, 'uuid');
    if (!uuid) throw new SyntaxError(`GPU ${String(index)} has no uuid`);
    const name = textAt(gpu, 'product_name') ?? '';
    const memoryBytes = bytesAt(gpu, 'fb_memory_usage', 'total');
    const uncorrectable = uncorrectableIn(gpu);
    if (!isInMigMode(gpu)) {
      return [{ uuid, name, index, memoryBytes, usedBytes: bytesAt(gpu, 'fb_memory_usage', 'used'), uncorrectable }];
    }
    return elementsAt(gpu, 'mig_devices', 'mig_device').flatMap(instance => {
      const own = instances.get(`${uuid} ${textAt(instance, 'index') ?? ''}`);
      if (own === undefined) return [];
      return [
        {
          uuid: own,
          name,
          index,
          memoryBytes: bytesAt(instance, 'fb_memory_usage', 'total'),
          usedBytes: bytesAt(instance, 'fb_memory_usage', 'used'),
          uncorrectable:
            uncorrectable + countsIn(elementsAt(instance, 'ecc_error_count', 'volatile_count')[0], /uncorrectable/),
          part: { of: uuid, ofMemoryBytes: memoryBytes },
        },
      ];
    });
  });
};

const isInMigMode = (gpu: XmlElement): boolean => textAt(gpu, 'mig_mode', 'current_mig') === 'Enabled';

/** Whether `nvidia-smi -L` has to be asked as well. */
export const hasInstances = (xml: string): boolean => xml.includes('<mig_device>');
