// The codec of src/proto against @livekit/protocol: the same messages, in both encodings and both directions.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ScalarType } from '@bufbuild/protobuf';
import * as livekit from '@livekit/protocol';
import { Generator } from './random.mjs';
import { Tool } from './tool.mjs';

const ROUNDS = 60;

// Fields that src/proto leaves out, for they speak of recording, ingress and agent jobs.
const LEFT_OUT = new Set([
  'livekit.CreateRoomRequest.egress', 'livekit.RoomConfiguration.egress', 'livekit.WebhookEvent.egress_info',
  'livekit.WebhookEvent.ingress_info', 'livekit.WebhookEvent.job',
]);
const leftOut = (type, field) => LEFT_OUT.has(`${type.typeName}.${field.name}`);

// Types of the reference by name, those that only other messages' fields mention included.
const references = new Map();
function note(type) {
  if (references.has(type.typeName)) return;
  references.set(type.typeName, type);
  for (const f of type.fields.list()) {
    const inner = f.kind === 'map' ? f.V : f;
    if (inner.kind === 'message') note(inner.T);
  }
}
Object.values(livekit).filter((x) => x?.typeName && x.fields).forEach(note);

let tool, ours;
before(async () => {
  tool = new Tool('proto_tool');
  const [status, text] = await tool.ask('describe');
  assert.equal(status, 'ok');
  ours = JSON.parse(Buffer.from(text, 'base64'));
});
after(async () => assert.equal(await tool.close(), 0));

/** Sends bytes or text through the tool; what it gives, or its error. */
async function through(verb, type, data) {
  const [status, rest] = await tool.ask(`${verb} ${type.typeName} ${Buffer.from(data).toString('base64')}`);
  return status === 'ok' ? { data: Buffer.from(rest, 'base64') } : { error: rest };
}

function sameMessage(type, got, want, how) {
  if (!type.equals(got, want))
    assert.fail(`${type.typeName} ${how}\n got ${got.toJsonString()}\nwant ${want.toJsonString()}`);
}

/** Drops the nulls that Twirp's form has for absent messages, and the reference's has not. */
const withoutNulls = (j) =>
  Array.isArray(j) ? j.map(withoutNulls)
    : j && typeof j === 'object'
      ? Object.fromEntries(Object.entries(j).filter(([, v]) => v !== null).map(([k, v]) => [k, withoutNulls(v)]))
      : j;

const isMap = (parent, f) => f.of.startsWith(`${parent}.`) && f.of.endsWith('Entry') && f.repeated;

function scalarName(T) {
  return ScalarType[T].toLowerCase();
}

/** What the reference says of a field, in the words of the tool's description. */
function referenceField(type, f) {
  if (f.kind === 'map') return { kind: 'map', repeated: true };
  const of = f.kind === 'scalar' ? '' : f.T.typeName;
  return { kind: f.kind === 'scalar' ? scalarName(f.T) : f.kind, of, repeated: f.repeated };
}

describe('definitions', () => {
  test('every message, field and number is the reference\'s', () => {
    for (const [name, fields] of Object.entries(ours.messages)) {
      if (name.endsWith('Entry') && !references.has(name)) continue;
      const type = references.get(name);
      assert.ok(type, `${name} is not in @livekit/protocol`);
      const byNumber = new Map(fields.map((f) => [f.no, f]));
      for (const f of type.fields.list()) {
        const own = byNumber.get(f.no);
        if (leftOut(type, f)) {
          assert.equal(own, undefined, `${name}.${f.name} is listed as left out`);
          continue;
        }
        assert.ok(own, `${name}.${f.name} = ${f.no} is missing`);
        byNumber.delete(f.no);
        assert.equal(own.name, f.name, `${name}.${f.no}`);
        const map = isMap(name, own);
        const described = map ? { kind: 'map', repeated: true } : { kind: own.type, of: own.of, repeated: own.repeated };
        assert.deepEqual(described, referenceField(type, f), `${name}.${f.name}`);
        if (map) sameEntry(own.of, f);
      }
      assert.deepEqual([...byNumber.values()], [], `${name} has fields that the reference does not know`);
    }
  });

  function sameEntry(entry, f) {
    const [key, value] = ours.messages[entry];
    assert.equal(key.type, scalarName(f.K), entry);
    assert.equal(value.type, f.V.kind === 'scalar' ? scalarName(f.V.T) : f.V.kind, entry);
  }

  test('oneofs and presence are the reference\'s', () => {
    for (const [name, fields] of Object.entries(ours.messages)) {
      const type = references.get(name);
      if (!type) continue;
      const groups = new Map(); // offset of the case -> numbers
      for (const f of fields) if (f.oneof) groups.set(f.oneof, [...(groups.get(f.oneof) ?? []), f.no]);
      const got = [...groups.values()].map(String).sort();
      const want = new Set();
      for (const f of type.fields.list()) {
        if (leftOut(type, f)) continue;
        if (f.oneof) want.add(String(f.oneof.fields.map((x) => x.no).sort((a, b) => a - b)));
        else if (f.opt && f.kind !== 'message') want.add(String([f.no]));
      }
      assert.deepEqual(got, [...want].sort(), name);
    }
  });

  test('every enum has the reference\'s names and numbers', () => {
    const enums = new Map();
    for (const type of references.values())
      for (const f of type.fields.list()) {
        const inner = f.kind === 'map' ? f.V : f;
        if (inner.kind === 'enum') enums.set(inner.T.typeName, inner.T);
      }
    delete ours.enums[''];
    assert.ok(Object.keys(ours.enums).length > 25);
    for (const [name, values] of Object.entries(ours.enums))
      assert.deepEqual(values, Object.fromEntries(enums.get(name).values.map((v) => [v.name, v.no])), name);
  });

  test('the messages that sessions need are there', () => {
    assert.ok(Object.keys(ours.messages).length > 140, `${Object.keys(ours.messages).length} messages`);
    for (const name of ['SignalRequest', 'SignalResponse', 'JoinRequest', 'WrappedJoinRequest', 'DataPacket',
      'CreateRoomRequest', 'WebhookEvent', 'RoomConfiguration'])
      assert.ok(ours.messages[`livekit.${name}`], name);
  });
});

describe('random messages of every type', () => {
  /** Calls check with ROUNDS random messages of each type. */
  async function forAll(seed, check, skip = leftOut) {
    let n = 0;
    for (const name of Object.keys(ours.messages).sort()) {
      const type = references.get(name);
      if (!type) continue;
      const g = new Generator(seed + n++);
      g.skip = skip;
      for (let i = 0; i < ROUNDS; i++) await check(type, g.message(type));
    }
    assert.ok(n > 130, `${n} types`);
  }

  test('wire to wire', () => forAll(1000, async (type, m) => {
    const { data, error } = await through('wire', type, m.toBinary());
    assert.equal(error, undefined, m.toJsonString());
    sameMessage(type, type.fromBinary(data), m, 'wire to wire');
  }));

  test('wire to JSON, in the reference\'s own form', () => forAll(2000, async (type, m) => {
    const { data, error } = await through('json', type, m.toBinary());
    assert.equal(error, undefined, m.toJsonString());
    sameMessage(type, type.fromJsonString(data.toString()), m, 'wire to JSON');
    assert.deepEqual(JSON.parse(data), m.toJson(), type.typeName);
  }));

  test('wire to the JSON of the server API', () => forAll(3000, async (type, m) => {
    const { data, error } = await through('twirp', type, m.toBinary());
    assert.equal(error, undefined, m.toJsonString());
    sameMessage(type, type.fromJsonString(data.toString()), m, 'wire to Twirp JSON');
    assert.deepEqual(withoutNulls(JSON.parse(data)),
      withoutNulls(m.toJson({ emitDefaultValues: true, useProtoFieldName: true })), type.typeName);
  }));

  test('JSON to wire', () => forAll(4000, async (type, m) => {
    const { data, error } = await through('parse', type, m.toJsonString());
    assert.equal(error, undefined, m.toJsonString());
    sameMessage(type, type.fromBinary(data), m, 'JSON to wire');
  }));

  test('JSON with snake_case names and defaults to wire', () => forAll(5000, async (type, m) => {
    const { data, error } = await through('parse', type,
      m.toJsonString({ emitDefaultValues: true, useProtoFieldName: true, enumAsInteger: true }));
    assert.equal(error, undefined, m.toJsonString());
    sameMessage(type, type.fromBinary(data), m, 'snake_case JSON to wire');
  }));

  test('fields that we do not know survive', async () => {
    const type = livekit.CreateRoomRequest;
    const m = new type({ name: 'r', egress: { tracks: { filepath: 'x' } }, tags: { a: 'b' } });
    const { data } = await through('wire', type, m.toBinary());
    sameMessage(type, type.fromBinary(data), m, 'with fields unknown here');
    assert.equal(type.fromBinary(data).egress.tracks.filepath, 'x');
  });

  test('JSON leaves out fields that we do not know, and takes them', async () => {
    const type = livekit.CreateRoomRequest;
    const m = new type({ name: 'r', egress: { tracks: { filepath: 'x' } } });
    assert.deepEqual(JSON.parse((await through('json', type, m.toBinary())).data), { name: 'r' });
    const { data } = await through('parse', type, m.toJsonString());
    assert.deepEqual(type.fromBinary(data).toJson(), { name: 'r' });
  });
});

describe('join requests', () => {
  const request = new livekit.JoinRequest({
    clientInfo: { sdk: livekit.ClientInfo_SDK.JS, version: '2.23.0', protocol: 17 },
    connectionSettings: { autoSubscribe: true },
    participantAttributes: { a: '1', b: 'é' },
    publisherOffer: { type: 'offer', sdp: 'v=0\r\n'.repeat(4000), id: 1 },
  });

  const wrap = (fields) => new livekit.WrappedJoinRequest(fields).toBinary();
  const ask = (value) => tool.ask(`join - ${value}`);

  async function accepted(value) {
    const [status, rest] = await ask(value);
    assert.equal(status, 'ok', rest);
    sameMessage(livekit.JoinRequest, livekit.JoinRequest.fromBinary(Buffer.from(rest, 'base64')), request, value.slice(0, 20));
  }

  test('plain and gzipped, padded and not, both alphabets', async () => {
    const inner = request.toBinary();
    for (const wrapped of [wrap({ joinRequest: inner }),
      wrap({ joinRequest: gzipSync(inner), compression: livekit.WrappedJoinRequest_Compression.GZIP })]) {
      const standard = Buffer.from(wrapped).toString('base64');
      await accepted(standard);
      await accepted(standard.replaceAll('+', '-').replaceAll('/', '_'));
      await accepted(Buffer.from(wrapped).toString('base64url'));
    }
  });

  test('a request that inflates to more than a mebibyte is too large', async () => {
    const bomb = wrap({ joinRequest: gzipSync(Buffer.alloc(1024 * 1024 + 1)), compression: 1 });
    assert.deepEqual(await ask(Buffer.from(bomb).toString('base64url')), ['refused', 'join request too large']);
  });
});
