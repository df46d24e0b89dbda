import { CATEGORIES, ENGINES } from "@sonde/schemas/manifest";
import { RELEASE } from "@sonde/schemas/release";
import type { Sql } from "postgres";

const WORDS =
  "container disk usage memory process network socket web database replica queue log journal unit timer backup raid mount inode load thermal sensor fan battery kernel module firewall tunnel resolver mail spam directory ticket shell audit user group package runtime proxy cache balancer discovery vault scheduler cluster node storage share time certificate expiry object bucket worker job batch graphics edge gateway frobnicator";

/**
 * Fills a registry's database with unpublished packs by SQL: 5 versions each, with a README of 120
 * words in a long-tail distribution.
 */
export async function seedPacks(sql: Sql, packs: number): Promise<void> {
  const index = ["names", "spelling", "title", "words"].map((name) => `registry.packs_${name}`);
  for (const name of index) await sql.unsafe(`alter index ${name} set (fastupdate = on)`);
  await sql.unsafe(`
    set search_path = registry;
    create temp table seed_words as
      select word, row_number() over () as rank, count(*) over () as total
      from unnest(string_to_array('${WORDS}', ' ')) as word;
    create function pg_temp.pick(seed double precision) returns text language sql stable as
      $$ select word from seed_words where rank = 1 + floor(total * seed * seed * 0.9999)::int $$;
    create function pg_temp.text(length int, salt int) returns text language sql volatile as
      $$ select string_agg(pg_temp.pick(random() + 0 * (n + salt)), ' ') from generate_series(1, length) as n $$;
    insert into packs (name, latest, version, description, published_at, first_published_at,
      derived_by, categories, engines, downloads, names, spelling, title, words)
    select name, '1.4.0', '1.4.0', description, now() - random() * interval '900 days',
      now() - interval '900 days' - random() * interval '900 days', '${RELEASE}',
      array(select unnest(string_to_array('${CATEGORIES.join(" ")}', ' ')) where random() < 0.3 + 0 * n),
      array(select unnest(string_to_array('${ENGINES.join(" ")}', ' ')) where random() < 0.1 + 0 * n),
      (random() * random() * 100000)::int,
      to_tsvector('simple', spelling), spelling, title,
      title || setweight(to_tsvector('english', readme), 'D')
    from (
      select *, translate(name, '/-', '  ') as spelling,
        setweight(to_tsvector('english', translate(name, '/-', '  ')), 'A')
        || setweight(to_tsvector('english', description), 'B')
        || setweight(to_tsvector('english', probes), 'C') as title
      from (
        select n, 'p' || n % 700 || '/' || pg_temp.text(1, n) || '-' || n as name,
          pg_temp.text(12, n) as description, pg_temp.text(30, n) as probes,
          pg_temp.text(120, n) as readme
        from generate_series(1, ${packs}) as n
      ) as texts
    ) as seeds;
    insert into log_entries (index, name, entry)
      select 1000000 + n, 'seed', '\\x7b7d' from generate_series(1, ${packs} * 5) as n;
    insert into versions (name, version, digest, content_digest, size_bytes, published_at, signer, manifest, bundle, log_index)
    select name, '1.' || minor || '.0', 'sha256:seed-' || name || minor, 'sha256:seed', 1000, now(), '{}', repeat('x', 2000), '{}',
      1000000 + row_number() over ()
    from packs, generate_series(0, 4) as minor where latest = '1.4.0';
    reset search_path;`);
  for (const name of index) await sql.unsafe(`alter index ${name} set (fastupdate = off)`);
  await sql.unsafe("vacuum analyze registry.packs");
  await sql.unsafe("vacuum analyze registry.versions");
}

/**
 * Searches as people type them: common, rare, several words, a prefix, misspelt, and without a
 * match.
 */
export const SEARCHES = [
  "container",
  "disk usage",
  "gateway",
  "frobnicator",
  "batt",
  "certifcate",
  "web database replica",
  "p12",
  "nothing of the kind",
  "",
];
