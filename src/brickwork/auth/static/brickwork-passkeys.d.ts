/** Types of brickwork-passkeys.js. */
export interface PasskeyOptions {
  /** Where the API is; "/api/v1" if left out. */
  api?: string;
  /** A session's token, where there is no cookie. */
  token?: string;
  /** Gives up when it is aborted. */
  signal?: AbortSignal;
}

export interface SignInOptions extends PasskeyOptions {
  /** The tenant to work in, where the person is a member of several. */
  tenant?: string;
  /** Whether the session comes as a cookie that scripts can't read; true if left out. */
  cookie?: boolean;
  /** Offer passkeys in the suggestions of an input with `autocomplete="username webauthn"`, and wait until one is chosen. */
  autofill?: boolean;
}

export interface Passkey {
  id: string;
  name: string;
  synced: boolean;
  transports: string[];
  created_at: string;
  used_at: string | null;
}

export interface Session {
  /** Null where it came as a cookie. */
  token: string | null;
  tenant: string | null;
  tenants: string[];
  expires_at: string;
  user: { id: string; email: string; name: string; verified: boolean; second_factor: boolean };
}

/** Whether the browser knows passkeys. */
export function available(): boolean;

/** Add a passkey to the account of who is signed in. */
export function register(name: string, options?: PasskeyOptions): Promise<Passkey>;

/** Begin a session. */
export function signIn(options?: SignInOptions): Promise<Session>;
