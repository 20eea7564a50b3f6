import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { checkConfig } from '../../config/index.ts';
import { composeAnswers } from '../../services/compose/containers.ts';
import { projectFolder } from '../../services/folders.ts';
import { services } from '../../services/index.ts';

const composeFile = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string(),
      build: z.string().optional(),
      command: z.string().optional(),
      ports: z.array(z.string()).default([]),
      volumes: z.array(z.string()).default([]),
      depends_on: z.array(z.string()).default([]),
      environment: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
});

const file = composeFile.parse(parse(readText('docker-compose.yml')));
const programs = ['source', 'sink'];

function readText(path: string): string {
  return readFileSync(join(projectFolder, path), 'utf8');
}

test('docker-compose.yml was read, but not run where no container engine answers', async (t) => {
  const answers = await composeAnswers();
  t.diagnostic(
    answers
      ? 'a container engine answers: the live tests run docker-compose.yml'
      : 'no container engine answers here: docker-compose.yml and the Dockerfile are checked statically, and were not run',
  );
});

test('docker-compose.yml has every server, in the release that is started natively, and a source and a sink', () => {
  assert.deepEqual(Object.keys(file.services).sort(), [...Object.keys(services), ...programs].sort());
  for (const [name, { image, version }] of Object.entries(services)) {
    assert.equal(file.services[name]?.image, image);
    assert.ok(image.split(':')[1]?.startsWith(version), `${image} is not release ${version}`);
  }
});

test('every image of docker-compose.yml and the Dockerfile is pinned to a full version', () => {
  const bases = [...readText('Dockerfile').matchAll(/^FROM (\S+)/gm)].map((match) => match[1] ?? '');
  assert.ok(bases.length > 0);
  for (const image of [...Object.values(file.services).map((service) => service.image), ...bases]) {
    assert.match(image, /^[a-z/-]+:\d+[.]\d+([.]\d+)?([.]Final)?(-slim)?$/);
  }
});

test('every port is published on 127.0.0.1 alone, under the variable that the services set', () => {
  for (const [name, { ports }] of Object.entries(file.services)) {
    const [service] = Object.values(services).filter((candidate) => candidate.name === name);
    const inside = service?.containerPort ?? (name === 'source' ? 8470 : 8471);
    const usual = service?.usualPort ?? inside;
    assert.deepEqual(ports, [`127.0.0.1:\${AFTERWRITE_${name.toUpperCase()}_PORT:-${usual}}:${inside}`]);
  }
});

test('volumes and dependencies of docker-compose.yml exist', () => {
  const mounted = Object.values(file.services).flatMap((service) =>
    service.volumes.map((volume) => volume.split(':')[0] ?? ''),
  );
  const [files, named] = [
    mounted.filter((name) => name.startsWith('.')),
    mounted.filter((name) => !name.startsWith('.')),
  ];
  assert.deepEqual(named.sort(), Object.keys(file.volumes).sort());
  for (const path of files) assert.ok(existsSync(join(projectFolder, path)), `${path} is mounted but missing`);
  for (const { depends_on: names } of Object.values(file.services)) {
    for (const name of names) assert.ok(name in file.services, `${name} is depended on but missing`);
  }
});

test('the configuration of the source and the sink is right, and names servers of docker-compose.yml', () => {
  const { config, problems } = checkConfig(readText('services/compose/afterwrite.yaml'));
  assert.ok(config !== undefined, JSON.stringify(problems));
  const [sinkName = '', sink] = Object.entries(config.sinks)[0] ?? [];
  assert.match(file.services.sink?.command ?? '', new RegExp(`^sink ${sinkName} `));
  assert.ok(sink?.kind === 'postgres');
  const addresses = [config.source.url, `kafka://${config.kafka.brokers[0] ?? ''}`, config.registry.url, sink.url];
  const hosts = addresses.map((address) => new URL(address ?? '').hostname);
  assert.deepEqual(hosts, ['redis', 'kafka', 'registry', 'postgres']);
  assert.match(String(file.services.kafka?.environment.KAFKA_ADVERTISED_LISTENERS), /INSIDE:\/\/kafka:19092$/);
});
