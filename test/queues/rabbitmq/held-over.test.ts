import t from 'tap';
import { createHeldOver } from '../../../lib/queues/rabbitmq/lease/held-over.ts';

const scene = () => {
  const state: { working: string[]; connection: number | undefined } = { working: [], connection: 1 };
  const heldOver = createHeldOver(
    () => state.working,
    () => state.connection,
  );
  const look = (...found: string[]) => [...heldOver.with(new Set(found))];
  return { state, heldOver, look };
};

t.test('a queue that went with its broker stays for as long as there is work of it', async t => {
  const { state, heldOver, look } = scene();
  state.working = ['q'];
  heldOver.took('q');
  t.same(look('q', 'other'), ['q', 'other']);
  state.connection = undefined;
  t.same(look(), ['q'], 'nobody can be asked');
  state.connection = 2;
  t.same(look('other'), ['other', 'q'], 'the restart took it');
  state.working = [];
  t.same(look('other'), ['other']);
});

t.test('so does one whose broker went before anybody looked', async t => {
  const { state, heldOver, look } = scene();
  t.same(look('q'), ['q']);
  state.working = ['q'];
  heldOver.took('q');
  state.connection = 2;
  t.same(look(), ['q']);
});

t.test('a queue that is deleted while its broker stays is gone', async t => {
  const { state, heldOver, look } = scene();
  state.working = ['q'];
  heldOver.took('q');
  t.same(look(), []);
  t.same(look('q'), ['q']);
  t.same(look(), []);
});
