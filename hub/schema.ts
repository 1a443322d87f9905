/**
 * The hub's tables. Times are milliseconds since 1970, sizes bytes. What is in them is public keys, signed
 * records, sealed bytes, counters and times: docs/portal.md says why nothing else may be.
 *
 * @module
 */
import type { Migration } from "./store/migrate.ts";
import { PACK_TABLES } from "./store/packs.ts";

export const MIGRATIONS: Migration[] = [{
  name: "first",
  statements: [
    `CREATE TABLE secrets (name TEXT PRIMARY KEY, value {bytes} NOT NULL)`,
    `CREATE TABLE accounts (
      account {bytes} PRIMARY KEY, record {bytes} NOT NULL, signature {bytes} NOT NULL,
      created_ms {bigint} NOT NULL, bytes {bigint} NOT NULL DEFAULT 0, seen_ms {bigint})`,
    `CREATE TABLE devices (
      device {bytes} PRIMARY KEY, account {bytes} NOT NULL REFERENCES accounts (account),
      number {bigint} NOT NULL, record {bytes} NOT NULL, signature {bytes} NOT NULL,
      retire_record {bytes}, retire_signature {bytes}, retired_ms {bigint},
      UNIQUE (account, number))`,
    `CREATE TABLE tokens (
      hash {bytes} PRIMARY KEY, key {bytes} NOT NULL, account {bytes}, expires_ms {bigint} NOT NULL)`,
    `CREATE INDEX tokens_expire ON tokens (expires_ms)`,
    `CREATE TABLE nonces (nonce {bytes} PRIMARY KEY, expires_ms {bigint} NOT NULL)`,
    `CREATE INDEX nonces_expire ON nonces (expires_ms)`,
    `CREATE TABLE teams (
      team {bytes} PRIMARY KEY, account {bytes} NOT NULL REFERENCES accounts (account),
      record {bytes} NOT NULL, signature {bytes} NOT NULL, device {bytes} NOT NULL)`,
    `CREATE TABLE members (
      team {bytes} NOT NULL REFERENCES teams (team), account {bytes} NOT NULL, wrap {bytes} NOT NULL,
      PRIMARY KEY (team, account))`,
    `CREATE INDEX members_account ON members (account)`,
    ...PACK_TABLES,
    `CREATE TABLE holdings (
      account {bytes} NOT NULL, address {bytes} NOT NULL, bytes {bigint} NOT NULL,
      PRIMARY KEY (account, address))`,
    `CREATE INDEX holdings_address ON holdings (address)`,
    `CREATE TABLE portals (
      portal {bytes} PRIMARY KEY, account {bytes} NOT NULL REFERENCES accounts (account),
      record {bytes} NOT NULL, signature {bytes} NOT NULL,
      settings {bytes} NOT NULL, settings_signature {bytes} NOT NULL, settings_device {bytes} NOT NULL,
      sequence {bigint} NOT NULL, policy TEXT NOT NULL, state TEXT NOT NULL,
      is_over {bigint} NOT NULL DEFAULT 0, is_open {bigint} NOT NULL DEFAULT 0,
      created_ms {bigint} NOT NULL, opened_ms {bigint}, wake_ms {bigint},
      epoch {bigint} NOT NULL, version {bigint} NOT NULL DEFAULT 0,
      downloads {bigint} NOT NULL DEFAULT 0, bytes {bigint} NOT NULL DEFAULT 0,
      accessors {bigint} NOT NULL DEFAULT 0)`,
    `CREATE INDEX portals_account ON portals (account)`,
    `CREATE INDEX portals_wake ON portals (wake_ms)`,
    `CREATE TABLE accessors (
      portal {bytes} NOT NULL, key {bytes} NOT NULL, PRIMARY KEY (portal, key))`,
    `CREATE TABLE grants (
      portal {bytes} NOT NULL REFERENCES portals (portal), grant_id {bytes} NOT NULL,
      kind {bigint} NOT NULL, grantee {bytes} NOT NULL, level {bigint} NOT NULL, view {bytes} NOT NULL,
      expires_ms {bigint}, downloads_max {bigint}, downloads {bigint} NOT NULL DEFAULT 0,
      record {bytes} NOT NULL, signature {bytes} NOT NULL, device {bytes} NOT NULL,
      wrap {bytes} NOT NULL, granted_ms {bigint} NOT NULL, revoked_ms {bigint}, reentry_ms {bigint},
      PRIMARY KEY (portal, grant_id))`,
    `CREATE INDEX grants_grantee ON grants (grantee)`,
    `CREATE TABLE versions (
      portal {bytes} NOT NULL REFERENCES portals (portal), version {bigint} NOT NULL,
      record {bytes} NOT NULL, signature {bytes} NOT NULL, device {bytes} NOT NULL,
      created_ms {bigint} NOT NULL, PRIMARY KEY (portal, version))`,
    `CREATE TABLE pack_refs (
      address {bytes} NOT NULL, portal {bytes} NOT NULL, version {bigint} NOT NULL, view {bytes} NOT NULL,
      PRIMARY KEY (portal, version, view, address))`,
    `CREATE INDEX pack_refs_address ON pack_refs (address)`,
    `CREATE TABLE leases (
      lease {bytes} PRIMARY KEY, portal {bytes} NOT NULL, grant_id {bytes}, key {bytes} NOT NULL,
      version {bigint} NOT NULL, view {bytes} NOT NULL, granted_ms {bigint}, downloads {bigint} NOT NULL,
      accessors {bigint} NOT NULL, is_known {bigint} NOT NULL, expires_ms {bigint} NOT NULL)`,
    `CREATE INDEX leases_expire ON leases (expires_ms)`,
    `CREATE TABLE requests (
      portal {bytes} NOT NULL, request {bytes} NOT NULL, grant_id {bytes} NOT NULL, key {bytes} NOT NULL,
      reason {bytes} NOT NULL, state TEXT NOT NULL, created_ms {bigint} NOT NULL, decided_ms {bigint},
      PRIMARY KEY (portal, request))`,
    `CREATE TABLE audit (
      portal {bytes} NOT NULL, entry {bigint} NOT NULL, text TEXT NOT NULL, hash {bytes} NOT NULL,
      PRIMARY KEY (portal, entry))`,
  ],
}];
