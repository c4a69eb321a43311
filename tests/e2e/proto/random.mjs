// Random messages of any type of @livekit/protocol, from a seed.
import { ScalarType } from '@bufbuild/protobuf';

/** mulberry32: numbers from 0 to 1, the same for the same seed. */
export function randomOf(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const texts = ['', 'a', 'PA_kD8x2mQzWvN4', 'Zoë', '日本語', '🎥📡', '"quoted" \\ back/slash', 'line\nline\r\ttab',
  '\u0001\u001f\u007f\u0080', '\u2028\u2029\ufeff', 'x'.repeat(300), '{"a":[1]}', 'v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n',
  '\u{10ffff}\ud7ff\ue000', '%00 &lt;', ' '];
const floats = [1, -1, 0.1, 0.125, 1.5, 3.4028234663852886e38, 1.401298464324817e-45, -1e-10, 16777217, 4.5, 1e21];

export class Generator {
  constructor(seed) {
    this.random = randomOf(seed);
  }
  int(n) {
    return Math.floor(this.random() * n);
  }
  pick(list) {
    return list[this.int(list.length)];
  }
  bigint(bits) {
    let v = 0n;
    for (let i = 0; i < bits; i += 16) v = (v << 16n) | BigInt(this.int(65536));
    return v;
  }

  scalar(type) {
    switch (type) {
      case ScalarType.STRING:
        return this.pick(texts);
      case ScalarType.BYTES:
        return Uint8Array.from({ length: this.pick([0, 1, 2, 3, 4, 5, 32, 257]) }, () => this.int(256));
      case ScalarType.BOOL:
        return this.random() < 0.5;
      case ScalarType.FLOAT:
        return Math.fround(this.pick([...floats, 0, Infinity, -Infinity, this.random()]));
      case ScalarType.DOUBLE:
        return this.pick([...floats, 0, Infinity, -Infinity, this.random()]);
      case ScalarType.INT32:
        return this.pick([0, 1, -1, 127, 128, 2147483647, -2147483648, this.int(4294967296) - 2147483648]);
      case ScalarType.UINT32:
        return this.pick([0, 1, 127, 128, 65536, 4294967295, this.int(4294967296)]);
      case ScalarType.INT64:
        return this.pick([0n, 1n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), BigInt.asIntN(64, this.bigint(64))]);
      case ScalarType.UINT64:
        return this.pick([0n, 1n, 2n ** 53n + 1n, 2n ** 64n - 1n, this.bigint(64)]);
      default:
        throw new Error(`no random value for scalar ${ScalarType[type]}`);
    }
  }

  enumValue(type) {
    return this.random() < 0.1 ? this.pick([77, -3, 2147483647]) : this.pick(type.values).no;
  }

  value(field, depth) {
    switch (field.kind) {
      case 'scalar':
        return this.scalar(field.T);
      case 'enum':
        return this.enumValue(field.T);
      default:
        return this.message(field.T, depth - 1);
    }
  }

  map(field, depth) {
    const map = {};
    for (let n = this.int(4); n > 0; n--) map[this.scalar(field.K)] = this.value(field.V, depth);
    return map;
  }

  /** A message of a type; fields for which skip(type, field) holds stay unset. */
  message(type, depth = 6, skip = this.skip) {
    if (type.typeName === 'google.protobuf.Timestamp')
      return new type({
        seconds: BigInt(this.pick([0, 1, -62135596800, 253402300799, 1790000000, -1])),
        nanos: this.pick([0, 1, 999999999, 500000000, 120000, 123456000]),
      });
    const m = new type();
    for (const f of type.fields.list()) {
      if (skip?.(type, f) || this.random() < 0.35) continue;
      if ((f.kind === 'message' || (f.kind === 'map' && f.V.kind === 'message')) && depth === 0) continue;
      if (f.kind === 'map') m[f.localName] = this.map(f, depth);
      else if (f.repeated) m[f.localName] = Array.from({ length: this.int(4) }, () => this.value(f, depth));
      else if (f.oneof) m[f.oneof.localName] = { case: f.localName, value: this.value(f, depth) };
      else m[f.localName] = this.value(f, depth);
    }
    return m;
  }
}
