/** Variables by name, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

const variable = /\$(?:\{([A-Za-z_]\w*)(?::-([^}]*))?\}|([A-Za-z_]\w*))/g;

/**
 * Put variables into a text: `$NAME`, `${NAME}`, and `${NAME:-word}` for `word` where NAME is empty or not set. A `$NAME` that
 * is not set stays as it is, since `$` may stand in a password.
 */
export const expandVariables = (text: string, env: Environment): string =>
  text.replace(
    variable,
    (whole, braced: string | undefined, otherwise: string | undefined, bare: string | undefined) => {
      const value = env[braced ?? bare ?? ''];
      if (otherwise !== undefined) return value || otherwise;
      return value ?? whole;
    },
  );
