/** Types of brickwork.js. */
export interface Message<T = unknown> {
  op: "message";
  /** Grows over all topics; where to go on after. */
  id: number;
  topic: string;
  kind: string;
  /** ISO 8601, UTC. */
  at: string;
  data: T;
}

export interface Present {
  client: string;
  actor: string;
  meta: Record<string, unknown>;
  joined_at?: string;
}

export interface LiveError {
  code: string;
  message: string;
  topic?: string;
}

export interface LiveOptions {
  /** Fetches a ticket for this client: POST /api/v1/realtime/tickets. */
  ticket: (client: string) => Promise<string>;
  /** Kept over reconnects; a random one if left out. */
  client?: string;
  /** The server's origin; the page's own if left out. */
  url?: string;
  onState?: (state: "connecting" | "open" | "waiting" | "closed") => void;
  onError?: (error: LiveError) => void;
}

export class Live {
  constructor(options: LiveOptions);
  readonly client: string;
  /** Returns what ends the subscription. */
  subscribe<T = unknown>(topic: string, listener: (message: Message<T>) => void): () => void;
  /** Makes this client present in a topic; `onChange` gets who is there. Returns what ends it. */
  join(topic: string, meta?: Record<string, unknown>, onChange?: (clients: Present[]) => void): () => void;
  close(): void;
}
