import { withServices } from './services/with-services.ts';
import { spawnSync } from 'node:child_process';
await withServices(async (s) => { Object.assign(process.env, s.env); await import(new URL(process.argv[2]!, 'file://'+process.cwd()+'/').href); return 0; });
