/**
 * What changed, told to whoever listens: in this process, and through the database in all replicas.
 *
 * @module
 */
import type { Database } from "./store/sql.ts";

export interface HubEvent {
  /** What happened: the action's name in the audit log. */
  action: string;
  /** base64url */
  portal: string;
}

/** Null: some may have been missed. */
export type Heard = (event: HubEvent | null) => void;

export class Events {
  readonly #listeners = new Set<Heard>();
  readonly #db: Database;

  private constructor(db: Database) {
    this.#db = db;
  }

  static async open(db: Database): Promise<Events> {
    const events = new Events(db);
    await db.listen((text) => {
      const event = text === "" ? null : JSON.parse(text) as HubEvent;
      for (const heard of [...events.#listeners]) heard(event);
    });
    return events;
  }

  async tell(event: HubEvent): Promise<void> {
    await this.#db.notify(JSON.stringify(event));
  }

  /** The function returned ends it. */
  subscribe(heard: Heard): () => void {
    this.#listeners.add(heard);
    return () => this.#listeners.delete(heard);
  }

  get subscribers(): number {
    return this.#listeners.size;
  }
}
