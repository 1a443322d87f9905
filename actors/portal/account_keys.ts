/**
 * The private keys of an account, for as long as its words are at hand, and those of one device.
 *
 * Both hide their secrets from inspection and `JSON.stringify`. `wipe()` overwrites the secret bytes;
 * the runtime's own copies (key objects, identity strings) are dropped and go with the next collection.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { invariant } from "../base/errors.ts";
import { createSigner, type Signer } from "../cipher/signature.ts";
import {
  accountIdentitySecret,
  accountSigningSeed,
  convergenceSecret,
  deviceIdentitySecret,
  deviceSigningSeed,
} from "./derive.ts";
import { KEY_BYTES } from "./records.ts";
import { entropyOfWords, seedOfEntropy } from "./words.ts";
import { ageIdentity } from "./wrap.ts";

/** What a device keeps secret; 32 bytes each. */
export interface DeviceSecrets {
  signingSeed: Bytes;
  identitySecret: Bytes;
  convergenceSecret: Bytes;
}

/** The keys of one device: it logs in, signs and opens wraps with them. */
export class DeviceKeys {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** `age1…` */
  readonly recipient: string;
  readonly #secrets: DeviceSecrets;
  #signer: Signer | undefined;

  private constructor(secrets: DeviceSecrets, signer: Signer, recipient: string) {
    this.#secrets = secrets;
    this.#signer = signer;
    this.publicKey = signer.publicKey;
    this.recipient = recipient;
  }

  /** Copies `secrets`, so the caller may wipe its own. */
  static async create(secrets: DeviceSecrets): Promise<DeviceKeys> {
    const own = copyOf(secrets);
    const recipient = await recipientOf(own.identitySecret);
    return new DeviceKeys(own, createSigner(own.signingSeed), recipient);
  }

  /** 64 bytes, Ed25519. */
  sign(message: Bytes): Uint8Array<ArrayBuffer> {
    return present(this.#signer).sign(message);
  }

  /** `AGE-SECRET-KEY-1…`: a string, which cannot be wiped, so it is made when it is asked for. */
  get identity(): string {
    present(this.#signer);
    return ageIdentity(this.#secrets.identitySecret);
  }

  /** The domain secret of the account's own portals: a copy of 32 bytes, which the caller wipes. */
  get convergenceSecret(): Uint8Array<ArrayBuffer> {
    present(this.#signer);
    return new Uint8Array(this.#secrets.convergenceSecret);
  }

  /** Copies, for a key ring; the caller wipes them ({@link wipeSecrets}). */
  copySecrets(): DeviceSecrets {
    present(this.#signer);
    return copyOf(this.#secrets);
  }

  /** After this, every use is a bug. */
  wipe(): void {
    wipeSecrets(this.#secrets);
    this.#signer = undefined;
  }
}

/** The keys of an account. No device stores them. */
export class AccountSecrets {
  /** The account: Ed25519, 32 bytes. */
  readonly account: Uint8Array<ArrayBuffer>;
  /** `age1…` */
  readonly recipient: string;
  readonly #seed: Uint8Array<ArrayBuffer>;
  #signer: Signer | undefined;

  private constructor(seed: Uint8Array<ArrayBuffer>, signer: Signer, recipient: string) {
    this.#seed = seed;
    this.#signer = signer;
    this.account = signer.publicKey;
    this.recipient = recipient;
  }

  /** @param entropy 32 bytes, which 24 words hold; the caller may wipe them afterwards */
  static async fromEntropy(entropy: Bytes): Promise<AccountSecrets> {
    const seed = await seedOfEntropy(entropy);
    const signingSeed = accountSigningSeed(seed);
    const identitySecret = accountIdentitySecret(seed);
    try {
      const recipient = await recipientOf(identitySecret);
      return new AccountSecrets(seed, createSigner(signingSeed), recipient);
    } finally {
      signingSeed.fill(0);
      identitySecret.fill(0);
    }
  }

  /** @throws {WarpError} as {@link entropyOfWords} */
  static async fromWords(text: string): Promise<AccountSecrets> {
    const entropy = entropyOfWords(text);
    try {
      return await AccountSecrets.fromEntropy(entropy);
    } finally {
      entropy.fill(0);
    }
  }

  /** 64 bytes, Ed25519. */
  sign(message: Bytes): Uint8Array<ArrayBuffer> {
    return present(this.#signer).sign(message);
  }

  /** `AGE-SECRET-KEY-1…`; see {@link DeviceKeys.identity}. */
  get identity(): string {
    present(this.#signer);
    const secret = accountIdentitySecret(this.#seed);
    const identity = ageIdentity(secret);
    secret.fill(0);
    return identity;
  }

  /** The keys of device `number` (1 to 2^31): always the same for the same words. */
  async device(number: number): Promise<DeviceKeys> {
    present(this.#signer);
    const secrets = {
      signingSeed: deviceSigningSeed(this.#seed, number),
      identitySecret: deviceIdentitySecret(this.#seed, number),
      convergenceSecret: convergenceSecret(this.#seed),
    };
    try {
      return await DeviceKeys.create(secrets);
    } finally {
      wipeSecrets(secrets);
    }
  }

  /** After this, every use is a bug. */
  wipe(): void {
    this.#seed.fill(0);
    this.#signer = undefined;
  }
}

export function wipeSecrets(secrets: DeviceSecrets): void {
  secrets.signingSeed.fill(0);
  secrets.identitySecret.fill(0);
  secrets.convergenceSecret.fill(0);
}

function copyOf(secrets: DeviceSecrets): DeviceSecrets {
  const copy = (bytes: Bytes) => {
    invariant(bytes.length === KEY_BYTES, "a device's secrets are 32 bytes each");
    return new Uint8Array(bytes);
  };
  return {
    signingSeed: copy(secrets.signingSeed),
    identitySecret: copy(secrets.identitySecret),
    convergenceSecret: copy(secrets.convergenceSecret),
  };
}

function present(signer: Signer | undefined): Signer {
  invariant(signer !== undefined, "the keys were wiped");
  return signer;
}

async function recipientOf(secret: Bytes): Promise<string> {
  const { identityToRecipient } = await import("age-encryption");
  return await identityToRecipient(ageIdentity(secret));
}
