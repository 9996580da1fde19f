import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

type Files = Readonly<Record<string, string>>;

/** A zip archive whose members are stored as they are. Source: APPNOTE.TXT of PKWARE, 4.3. */
const zipOf = (files: Files): Buffer => {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, text] of Object.entries(files)) {
    const [path, content] = [Buffer.from(name), Buffer.from(text)];
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x21, 8);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(content.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(path.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, path, content]);
    const entry = Buffer.alloc(46);
    entry.write('PK\x01\x02\x14\x03', 'latin1');
    common.copy(entry, 6);
    entry.writeUInt32LE(0o100644 * 65_536, 38);
    entry.writeUInt32LE(at, 42);
    bodies.push(local);
    directory.push(entry, path);
    at += local.length;
  }
  const index = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(bodies.length, 8);
  end.writeUInt16LE(bodies.length, 10);
  end.writeUInt32LE(index.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...bodies, index, end]);
};

export interface WheelParts {
  readonly name: string;
  readonly version: string;
  /** Beside a module of the package's name, whose `version` says which it is. */
  readonly files?: Files;
  readonly requires?: readonly string[];
  /** `name = module:function` */
  readonly scripts?: readonly string[];
}

/** A wheel of pure Python. Source: PyPA, binary distribution format. */
export const wheelOf = ({ name, version, files = {}, requires = [], scripts = [] }: WheelParts) => {
  const info = `${name}-${version}.dist-info`;
  const content: Record<string, string> = {
    [`${name}.py`]: `version = ${JSON.stringify(version)}\ndef main():\n    print("${name}", version)\n`,
    ...files,
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n${requires.map(one => `Requires-Dist: ${one}\n`).join('')}`,
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    ...(scripts.length > 0 && { [`${info}/entry_points.txt`]: `[console_scripts]\n${scripts.join('\n')}\n` }),
  };
  const record = Object.entries(content).map(([path, text]) => {
    const hash = createHash('sha256').update(text).digest('base64url');
    return `${path},sha256=${hash},${String(Buffer.byteLength(text))}\n`;
  });
  return {
    file: `${name}-${version}-py3-none-any.whl`,
    body: zipOf({ ...content, [`${info}/RECORD`]: `${record.join('')}${info}/RECORD,,\n` }),
  };
};

/** A source tree that builds into such a wheel without any tool from an index. Source: PEP 517, in-tree build backends. */
export const sourceOf = (parts: WheelParts): Files => {
  const { file, body } = wheelOf(parts);
  const backend = `import base64, os
def build_wheel(directory, config_settings=None, metadata_directory=None):
    with open(os.path.join(directory, "${file}"), "wb") as out:
        out.write(base64.b64decode("${body.toString('base64')}"))
    return "${file}"
def get_requires_for_build_wheel(config_settings=None):
    return []
`;
  const project = `[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n`;
  return {
    'pyproject.toml': `${project}[project]\nname = "${parts.name}"\nversion = "${parts.version}"\n`,
    'backend.py': backend,
  };
};
