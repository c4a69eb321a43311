// Tokens of livekit-server-sdk are believed here, and ours there.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ParticipantInfo_KindDetail, RoomConfiguration, TrackSource } from '@livekit/protocol';
import { AccessToken, TokenVerifier } from 'livekit-server-sdk';
import { Tool } from './tool.mjs';

let tool;
before(() => {
  tool = new Tool('auth_tool');
});
after(async () => assert.equal(await tool.close(), 0));

const now = Math.floor(Date.now() / 1000);

async function verify(token, at = now) {
  const [status, rest] = await tool.ask(`verify ${at} ${token}`);
  if (status !== 'ok') return { refused: rest };
  const [expires, claims] = rest.split(' ');
  return { expires: Number(expires), claims: JSON.parse(Buffer.from(claims, 'base64url')) };
}

async function sign(claims, ttl = 600) {
  const [status, rest] = await tool.ask(`sign ${now} ${ttl} ${Buffer.from(JSON.stringify(claims)).toString('base64url')}`);
  assert.equal(status, 'ok', rest);
  return rest;
}

function token(options = {}, grant = { roomJoin: true, room: 'r' }, [key, secret] = ['devkey', 'secret']) {
  const t = new AccessToken(key, secret, { identity: 'me', ...options });
  if (grant) t.addGrant(grant);
  return t;
}

// what absent permissions come out as
const open = { canPublish: true, canSubscribe: true, canPublishData: true };

describe('tokens of the server SDK', () => {
  test('the usual one', async () => {
    const { claims, expires } = await verify(await token({ ttl: '1h' }).toJwt());
    assert.deepEqual(claims, { sub: 'me', video: { roomJoin: true, room: 'r', ...open } });
    assert.ok(Math.abs(expires - now - 3600) <= 5, `expires in ${expires - now} s`);
  });

  test('the default lifetime is six hours', async () => {
    const { expires } = await verify(await token().toJwt());
    assert.ok(Math.abs(expires - now - 6 * 3600) <= 5, `expires in ${expires - now} s`);
  });

  test('every claim', async () => {
    const t = token(
      { name: 'Zoë "Z"', metadata: '{"a":"ü"}', attributes: { role: 'host', 'lk.x': '1' } },
      {
        roomCreate: true, roomJoin: true, roomList: true, roomRecord: true, roomAdmin: true, room: '日本',
        ingressAdmin: true, canPublish: true, canSubscribe: false, canPublishData: false,
        canPublishSources: [TrackSource.CAMERA, TrackSource.SCREEN_SHARE, TrackSource.SCREEN_SHARE_AUDIO],
        canUpdateOwnMetadata: true, hidden: true, recorder: true, agent: true, canSubscribeMetrics: true,
        destinationRoom: 'd',
      },
    );
    t.kind = 'agent';
    t.kindDetails = [ParticipantInfo_KindDetail.CLOUD_AGENT, ParticipantInfo_KindDetail.FORWARDED];
    t.sha256 = 'aGFzaA==';
    t.roomPreset = 'big';
    t.roomConfig = new RoomConfiguration({ name: 'c', emptyTimeout: 7, metadata: 'm', tags: { k: 'v' } });
    const jwt = await t.toJwt();
    const sent = JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'));
    const { claims } = await verify(jwt);
    for (const time of ['exp', 'nbf', 'iss', 'iat', 'jti']) delete sent[time];
    assert.deepEqual(claims, sent);
    assert.equal(claims.video.canPublishSources.length, 3);
    assert.equal(claims.roomConfig.emptyTimeout, 7);
  });

  test('no video grant', async () => {
    assert.deepEqual((await verify(await token({}, null).toJwt())).claims, { sub: 'me' });
  });

  test('another secret, another key', async () => {
    assert.match((await verify(await token({}, {}, ['devkey', 'Secret']).toJwt())).refused, /signature/);
    assert.equal((await verify(await token({}, {}, ['devkeys', 'secret']).toJwt())).refused, 'invalid API key');
  });

  test('after its time, with a minute of leeway', async () => {
    const jwt = await token({ ttl: 600 }).toJwt();
    const { expires } = await verify(jwt);
    assert.equal((await verify(jwt, expires + 60)).refused, undefined);
    assert.match((await verify(jwt, expires + 61)).refused, /expired/);
  });
});

describe('tokens of ours', () => {
  const verifier = new TokenVerifier('devkey', 'secret');

  test('the server SDK believes them and reads the same', async () => {
    const claims = {
      sub: 'me', name: 'Zoë', metadata: 'm', attributes: { a: '1', b: '2' }, kind: 'sip', sha256: 'aGFzaA==',
      kindDetails: ['forwarded'], roomPreset: 'p', roomConfig: { name: 'c' },
      video: { roomJoin: true, room: 'r', hidden: true, canPublish: true, canSubscribe: true, canPublishData: false,
        canPublishSources: ['microphone'] },
    };
    const read = await verifier.verify(await sign(claims));
    for (const [name, value] of Object.entries(claims)) assert.deepEqual(read[name], value, name);
    assert.equal(read.iss, 'devkey');
    assert.equal(read.exp, now + 600);
    assert.equal(read.nbf, now);
  });

  test('one that has expired is refused there', async () => {
    await assert.rejects(verifier.verify(await sign({ sub: 'me' }, -120)), { code: 'ERR_JWT_EXPIRED' });
  });

  test('one for another secret is refused there', async () => {
    await assert.rejects(new TokenVerifier('devkey', 'other').verify(await sign({ sub: 'me' })),
      { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
  });

  test('texts of every length survive', async () => {
    for (let n = 0; n < 200; n++) {
      const jwt = await sign({ sub: 'x'.repeat(n + 1), metadata: 'é'.repeat(n * 37) });
      const read = await verifier.verify(jwt);
      assert.equal(read.sub.length, n + 1);
      assert.equal(read.metadata ?? '', 'é'.repeat(n * 37));
      assert.equal((await verify(jwt)).claims.sub.length, n + 1);
    }
  });
});
