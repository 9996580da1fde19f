import { StoreError } from '../errors.ts';
import { closeUnread } from '../flow/pieces.ts';
import type { ObjectStore } from './object-store.ts';

/** What a store refuses that is only read, one object at a time. @param kind for messages: `https://` */
export const readOnly = (name: string, kind: string): Pick<ObjectStore, 'put' | 'list' | 'delete'> => {
  const refuse = (operation: string, key: string) =>
    new StoreError('invalid', `${operation} failed: ${kind} can only be read`, { store: name, key });
  return {
    put: (key, body) => {
      closeUnread(body);
      return Promise.reject(refuse('put', key));
    },
    list: prefix => {
      throw refuse('list', prefix);
    },
    delete: key => Promise.reject(refuse('delete', key)),
  };
};
