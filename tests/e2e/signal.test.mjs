// Into a session and out of it: the doors, the tokens, the frames.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SignalRequest, WrappedJoinRequest } from '@livekit/protocol';
import { gzipSync } from 'node:zlib';
import { recorded } from './lib/sdp.mjs';
import { Server, token } from './lib/server.mjs';
import { Signal, clientInfo, joinRequest, refusal, target } from './lib/signal.mjs';
import { claimsOf, rawToken } from './lib/token.mjs';

let server, closed;

before(async () => {
    [server, closed] = await Promise.all([
        Server.start({ args: ['--set', 'rtc.connect_timeout_s=60'] }),
        Server.start({ args: ['--set', 'room.auto_create=false'] }),
    ]);
});

after(async () => {
    for (const s of [server, closed]) assert.equal((await s.stop()).code, 0, s.log);
});

const get = (s, path, headers = {}) => fetch(s.http + path, { headers });

describe('joining', () => {
    const ways = [
        ['v1', {}],
        ['v1', { gzip: true }],
        ['v1', { padding: false }],
        ['v1', { gzip: true, padding: false }],
        ['v1', { text: true }],
        ['request', {}],
        ['request', { gzip: true, text: true }],
        ['two', {}],
        ['two', { text: true }],
    ];
    for (const [form, how] of ways)
        test(`${form} ${JSON.stringify(how)}`, async () => {
            const s = await Signal.join(server, {
                room: 'doors',
                identity: 'ada',
                options: { name: 'Ada', metadata: 'of the token', attributes: { role: 'host' } },
                form,
                ...how,
            });
            const j = s.join;
            assert.match(j.room.sid, /^RM_[2-9A-Za-z]{12}$/);
            assert.equal(j.room.name, 'doors');
            assert.equal(j.room.numParticipants, 1);
            assert.ok(Math.abs(Number(j.room.creationTimeMs) - Date.now()) < 60000);
            assert.match(j.participant.sid, /^PA_[2-9A-Za-z]{12}$/);
            assert.equal(j.participant.identity, 'ada');
            assert.equal(j.participant.name, 'Ada');
            assert.equal(j.participant.metadata, 'of the token');
            assert.deepEqual(j.participant.attributes, { role: 'host' });
            assert.equal(j.participant.state, 0, 'joining');
            assert.equal(j.participant.joinedAtMs / 1000n, j.participant.joinedAt);
            assert.equal(j.subscriberPrimary, form === 'two');
            assert.equal(j.fastPublish, true);
            assert.equal(j.pingInterval, 5);
            assert.equal(j.pingTimeout, 15);
            assert.equal(j.serverInfo.protocol, 17);
            assert.ok(j.sifTrailer.length > 0);
            const mimes = j.enabledPublishCodecs.map((c) => c.mime);
            assert.deepEqual(mimes.slice(0, 2), ['video/VP8', 'video/H264'], 'the order that clients rely on');
            assert.ok(mimes.includes('video/AV1') && mimes.includes('audio/opus'));
            assert.equal(s.frames[0], 'binary', 'before a frame of ours the server speaks binary');
            await s.settled();
            assert.equal(s.frames.at(-1), how.text ? 'text' : 'binary', 'the answer is in the encoding of the last frame');
            await s.leave();
        });

    test('the server follows a client that changes its encoding', async () => {
        const s = await Signal.join(server, { room: 'frames', identity: 'ada' });
        for (const text of [false, true, false]) {
            s.text = text;
            await s.settled();
            assert.equal(s.frames.at(-1), text ? 'text' : 'binary');
        }
        await s.leave();
    });

    test('the header wins over the query', async () => {
        const path = await Signal.joinPath({ room: 'header', identity: 'query' });
        const jwt = await token('header', 'header');
        const s = await Signal.open(server, path, { headers: { Authorization: `Bearer ${jwt}` } });
        assert.equal((await s.first('join')).participant.identity, 'header');
        await s.leave();
    });

    test('an offer inside the join is answered; the answer carries its id', async () => {
        for (const name of ['chromium-156-join-offer', 'firefox-153-join-offer']) {
            for (const offerId of [0, 7]) {
                const s = await Signal.join(server, { room: 'offer', identity: 'ada', offer: recorded(name), offerId, gzip: true });
                const answer = await s.next('answer');
                assert.equal(answer.type, 'answer');
                assert.equal(answer.id, offerId);
                assert.match(answer.sdp, /a=candidate:/);
                await s.leave();
            }
        }
    });

    test('a join request of 40 KB passes the request line', async () => {
        const attributes = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, 'v'.repeat(700)]));
        const path = await Signal.joinPath({
            room: 'long',
            identity: 'ada',
            grants: { canUpdateOwnMetadata: true },
            request: { participantAttributes: attributes },
        });
        assert.ok(path.length > 38000, `${path.length}`);
        const s = await Signal.open(server, path);
        assert.deepEqual((await s.first('join')).participant.attributes, attributes);
        await s.leave();
    });

    test('two slashes in front are one', async () => {
        const path = await Signal.joinPath({ room: 'slash', identity: 'ada' });
        const s = await Signal.open(server, `/${path}`);
        await s.first('join');
        await s.leave();
    });

    test('others are in the join response', async () => {
        const ada = await Signal.join(server, { room: 'others', identity: 'ada', options: { name: 'Ada' } });
        const bob = await Signal.join(server, { room: 'others', identity: 'bob' });
        assert.deepEqual(
            bob.join.otherParticipants.map((p) => [p.identity, p.name, p.sid, p.state]),
            [['ada', 'Ada', ada.sid, 1]],
        );
        assert.equal((await ada.knows('bob', (p) => p.state === 1)).sid, bob.sid);
        await bob.leave();
        const gone = await ada.knows('bob', (p) => p.state === 3);
        assert.equal(gone.sid, bob.sid);
        assert.equal(gone.disconnectReason, 1, 'by its own wish');
        await ada.leave();
    });
});

describe('validate', () => {
    const doors = [
        ['/rtc/validate', () => ({})],
        ['/rtc/v1/validate', () => ({ join_request: joinRequest({ clientInfo: clientInfo() }) })],
    ];
    for (const [path, params] of doors) {
        test(`${path} tells success`, async () => {
            const r = await get(server, target(path, { access_token: await token('ada', 'v'), ...params() }));
            assert.equal(r.status, 200);
            assert.equal(await r.text(), 'success');
            const jwt = await token('ada', 'v');
            const h = await get(server, target(path, params()), { Authorization: `Bearer ${jwt}` });
            assert.equal(h.status, 200);
        });
        test(`${path} tells why not, to pages of any origin`, async () => {
            const r = await get(server, target(path, params()), { Origin: 'https://app.example' });
            assert.equal(r.status, 401);
            assert.equal(r.headers.get('access-control-allow-origin'), 'https://app.example');
            assert.match(r.headers.get('content-type'), /^text\/plain/);
            assert.equal(await r.text(), 'authorization token is missing');
        });
        test(`${path} joins nobody`, async () => {
            const jwt = await token('ghost', 'validated');
            await get(server, target(path, { access_token: jwt, ...params() }));
            const s = await Signal.join(server, { room: 'validated', identity: 'ada' });
            assert.deepEqual(s.join.otherParticipants, []);
            await s.leave();
        });
    }

    test('/rtc/v1/validate wants the join request', async () => {
        const r = await get(server, target('/rtc/v1/validate', { access_token: await token('ada', 'v') }));
        assert.deepEqual([r.status, await r.text()], [400, 'join_request is required']);
    });

    test('attributes: ignored on /rtc when they make no sense, told on validate', async () => {
        const jwt = await token('ada', 'v', { canUpdateOwnMetadata: true });
        const bad = { access_token: jwt, attributes: '%%%' };
        assert.equal((await get(server, target('/rtc/validate', bad))).status, 400);
        const s = await Signal.open(server, target('/rtc', bad));
        assert.deepEqual((await s.first('join')).participant.attributes, {});
        await s.leave();
        const attributes = Buffer.from(JSON.stringify({ mood: 'fröhlich' })).toString('base64url');
        const t = await Signal.open(server, target('/rtc', { access_token: jwt, attributes }));
        assert.deepEqual((await t.first('join')).participant.attributes, { mood: 'fröhlich' });
        await t.leave();
        const plain = await token('ada', 'v');
        assert.equal((await refusal(server, target('/rtc', { access_token: plain, attributes }))).status, 401);
    });
});

describe('tokens', () => {
    const video = { roomJoin: true, room: 't' };
    const now = Math.floor(Date.now() / 1000);
    const cases = [
        ['no token', () => '', 401, 'authorization token is missing'],
        ['not a token', () => 'a.b', 401, 'invalid authorization token: malformed'],
        ['expired', () => rawToken({ video, exp: now - 120 }), 401, 'invalid authorization token: it has expired'],
        ['without expiry', () => rawToken({ video, exp: undefined }), 401, 'invalid authorization token: it has no expiry'],
        ['not valid yet', () => rawToken({ video, nbf: now + 120 }), 401, 'invalid authorization token: it is not valid yet'],
        ['another key', () => rawToken({ video }, { key: 'nokey' }), 401, 'invalid API key'],
        ['another secret', () => rawToken({ video }, { secret: 'wrong' }), 401, 'invalid authorization token: the signature does not match'],
        ['alg none', () => rawToken({ video }, { alg: 'none' }), 401, 'invalid authorization token: malformed'],
        [
            'alg none with a signature',
            () => rawToken({ video }).replace(/^[^.]+/, Buffer.from('{"alg":"none"}').toString('base64url')),
            401,
            'invalid authorization token: not signed with HS256',
        ],
        ['HS384', () => rawToken({ video }, { alg: 'HS384' }), 401, 'invalid authorization token: not signed with HS256'],
        ['HS512', () => rawToken({ video }, { alg: 'HS512' }), 401, 'invalid authorization token: not signed with HS256'],
        ['no video grant', () => rawToken({}), 401, 'permissions denied'],
        ['no roomJoin', () => rawToken({ video: { room: 't' } }), 401, 'permissions denied'],
        ['no identity', () => rawToken({ video, sub: undefined }), 400, 'identity cannot be empty'],
        ['no room', () => rawToken({ video: { roomJoin: true } }), 400, 'no room name'],
        ['identity of 257 bytes', () => rawToken({ video, sub: 'i'.repeat(257) }), 400, /max length 256/],
        ['room of 257 bytes', () => rawToken({ video: { roomJoin: true, room: 'r'.repeat(257) } }), 400, /max length 256/],
        ['name of 257 bytes', () => rawToken({ video, name: 'n'.repeat(257) }), 400, /max length 256/],
    ];
    const check = (text, want) => (want instanceof RegExp ? assert.match(text, want) : assert.equal(text, want));
    for (const [name, make, status, text] of cases)
        test(name, async () => {
            const origin = { Origin: 'https://app.example' };
            for (const [path, params] of [
                ['/rtc', {}],
                ['/rtc/v1', { join_request: joinRequest({ clientInfo: clientInfo() }) }],
            ]) {
                const at = target(path, { access_token: make(), ...params });
                const r = await refusal(server, at, origin);
                assert.equal(r.status, status, r.text);
                check(r.text, text);
                assert.equal(r.headers['access-control-allow-origin'], 'https://app.example');
                const v = await get(server, at.replace('?', '/validate?'), origin);
                {
                    assert.equal(v.status, status);
                    check(await v.text(), text);
                }
                assert.equal(v.headers.get('access-control-allow-origin'), 'https://app.example');
            }
        });

    test('a header without Bearer', async () => {
        const r = await refusal(server, '/rtc', { Authorization: rawToken({ video }) });
        assert.equal(r.status, 401);
        assert.match(r.text, /must start with Bearer/);
    });

    test('clocks may differ by a minute', async () => {
        for (const claims of [{ exp: now - 30 }, { nbf: now + 30 }]) {
            const s = await Signal.open(server, target('/rtc', { access_token: rawToken({ video, ...claims }) }));
            await s.first('join');
            await s.leave();
        }
    });

    test('a second key of the configuration counts as well, and jti stands in for sub', async () => {
        const secret = 'another secret of more than thirty-two characters';
        const jwt = rawToken({ video, sub: undefined, jti: 'jay' });
        const s = await Signal.open(server, target('/rtc', { access_token: jwt }));
        assert.equal((await s.first('join')).participant.identity, 'jay');
        await s.leave();
        const r = await refusal(server, target('/rtc', { access_token: rawToken({ video }, { key: 'second', secret }) }));
        assert.equal(r.status, 401, 'which this server does not have');
    });

    test('metadata in the join needs its grant', async () => {
        const request = { metadata: 'mine', participantAttributes: { a: '1', empty: '' } };
        const refused = await refusal(server, await Signal.joinPath({ room: 't', identity: 'ada', request }));
        assert.deepEqual([refused.status, refused.text], [401, 'permissions denied']);
        const grants = { canUpdateOwnMetadata: true };
        const s = await Signal.join(server, { room: 't', identity: 'ada', grants, request });
        assert.equal(s.join.participant.metadata, 'mine');
        assert.deepEqual(s.join.participant.attributes, { a: '1' });
        await s.leave();
    });

    test('the kind of the token', async () => {
        const jwt = rawToken({ video, kind: 'agent', kindDetails: ['cloud_agent'] });
        const s = await Signal.open(server, await Signal.joinPath({ jwt }));
        const { participant } = await s.first('join');
        assert.equal(participant.kind, 4);
        assert.deepEqual(participant.kindDetails, [0]);
        await s.leave();
    });

    test('the refresh token opens the door again, with the same rights', async () => {
        const grants = { canPublish: false, canPublishSources: [], canUpdateOwnMetadata: true };
        const s = await Signal.join(server, { room: 'fresh', identity: 'ada', grants, options: { name: 'Ada', ttl: 30 } });
        const jwt = await s.next('refreshToken');
        const claims = claimsOf(jwt);
        assert.equal(claims.sub, 'ada');
        assert.equal(claims.video.room, 'fresh');
        assert.equal(claims.video.canPublish, false);
        assert.ok(claims.exp - Date.now() / 1000 > 590, 'ten minutes at least');
        await s.leave();
        const t = await Signal.open(server, await Signal.joinPath({ jwt }));
        const { participant } = await t.first('join');
        assert.equal(participant.identity, 'ada');
        assert.equal(participant.name, 'Ada');
        assert.equal(participant.permission.canPublish, false);
        assert.equal(participant.permission.canUpdateMetadata, true);
        await t.leave();
    });
});

describe('rooms that have to be there', () => {
    test('404 in the words that clients look for', async () => {
        const params = { access_token: await token('ada', 'nowhere') };
        const v1 = { ...params, join_request: joinRequest({ clientInfo: clientInfo() }) };
        for (const [path, p] of [
            ['/rtc', params],
            ['/rtc/v1', v1],
        ]) {
            const r = await refusal(closed, target(path, p), { Origin: 'https://app.example' });
            assert.deepEqual([r.status, r.text], [404, 'requested room does not exist']);
            assert.equal(r.headers['access-control-allow-origin'], 'https://app.example');
            const v = await get(closed, target(`${path}/validate`, p));
            assert.deepEqual([v.status, await v.text()], [404, 'requested room does not exist']);
        }
    });

    test('one that was made is open, and roomCreate makes one', async () => {
        const { code } = await closed.createRoom();
        const s = await Signal.join(closed, { room: code, identity: 'ada' });
        await s.leave();
        const t = await Signal.join(closed, { room: 'made', identity: 'ada', grants: { roomCreate: true } });
        await t.leave();
    });
});

describe('what is no join', () => {
    test('without upgrade the addresses do not exist', async () => {
        for (const path of ['/rtc', '/rtc/v1']) {
            const r = await get(server, target(path, { access_token: await token('ada', 'x') }));
            assert.deepEqual([r.status, await r.text()], [404, '']);
        }
    });

    test('regions are another house', async () => {
        assert.equal((await get(server, '/settings/regions')).status, 404);
    });

    test('a HEAD of / says that the server is there, to any page', async () => {
        const r = await fetch(`${server.http}/`, { method: 'HEAD', headers: { Origin: 'https://app.example' } });
        assert.equal(r.status, 200);
        assert.equal(r.headers.get('access-control-allow-origin'), 'https://app.example');
    });

    test('preflight: any header, for a day', async () => {
        const r = await fetch(`${server.http}/rtc/v1/validate`, {
            method: 'OPTIONS',
            headers: { Origin: 'https://app.example', 'Access-Control-Request-Headers': 'authorization,x-y' },
        });
        assert.equal(r.status, 204);
        assert.equal(r.headers.get('access-control-allow-origin'), 'https://app.example');
        assert.match(r.headers.get('access-control-allow-headers'), /authorization/);
        assert.equal(r.headers.get('access-control-max-age'), '86400');
    });

    const wrap = (bytes, compression = 0) =>
        Buffer.from(new WrappedJoinRequest({ compression, joinRequest: bytes }).toBinary()).toString('base64url');
    const broken = [
        ['no join request', undefined, 'join_request is required'],
        ['an empty one', '', 'join_request is required'],
        ['not base64', '!!!!', 'cannot base64 decode wrapped join request'],
        ['not a wrapper', Buffer.from('ffffffff', 'hex').toString('base64url'), 'cannot unmarshal wrapped join request'],
        ['not a request', wrap(Buffer.from('ffffffff', 'hex')), 'cannot unmarshal join request'],
        ['not gzip', wrap(Buffer.from('not gzip at all'), 1), 'cannot read decompressed join request'],
        ['cut gzip', wrap(gzipSync(Buffer.alloc(1000)).subarray(0, 15), 1), 'cannot read decompressed join request'],
        ['2 MiB when unpacked', wrap(gzipSync(Buffer.alloc(2 << 20)), 1), 'join request too large'],
    ];
    for (const [name, value, text] of broken)
        test(name, async () => {
            const params = { access_token: await token('ada', 'x'), join_request: value };
            const r = await refusal(server, target('/rtc/v1', params));
            assert.deepEqual([r.status, r.text], [400, text]);
            const v = await get(server, target('/rtc/v1/validate', params));
            assert.deepEqual([v.status, await v.text()], [400, text]);
        });
});

describe('alive', () => {
    for (const text of [false, true])
        test(`ping, ping_req in ${text ? 'JSON' : 'protobuf'}: milliseconds`, async () => {
            const s = await Signal.join(server, { room: 'ping', identity: 'ada', text });
            const sentAt = Date.now();
            s.send('ping', BigInt(sentAt));
            s.send('pingReq', { timestamp: BigInt(sentAt), rtt: 3n });
            const pong = Number(await s.next('pong'));
            const resp = await s.next('pongResp');
            const now = Date.now();
            assert.ok(pong >= sentAt - 5 && pong <= now + 5, `${pong} between ${sentAt} and ${now}`);
            assert.equal(Number(resp.lastPingTimestamp), sentAt);
            assert.ok(Number(resp.timestamp) >= sentAt - 5 && Number(resp.timestamp) <= now + 5);
            await s.leave();
        });

    test('what the server does not know is no reason to hang up', async () => {
        const s = await Signal.join(server, { room: 'newer', identity: 'ada' });
        s.ws.send(Buffer.from([0xf2, 0x06, 0x03, 1, 2, 3])); // field 110 of SignalRequest
        s.ws.send(Buffer.alloc(0)); // no case at all
        s.ws.send(Buffer.from([...new SignalRequest({ message: { case: 'ping', value: 1n } }).toBinary(), 0xf8, 0x06, 0x01]));
        await s.next('pong');
        s.ws.send('{"somethingNew": {"deep": [1, {"er": null}]}, "another": 1}');
        s.ws.send('{"ping": "5", "more": true}');
        await s.next('pong');
        s.text = true;
        await s.settled();
        await s.leave();
    });

    test('update_layers, blobs and data tracks do no harm', async () => {
        const s = await Signal.join(server, { room: 'newer', identity: 'ada' });
        s.send('updateLayers', { trackSid: 'TR_x', layers: [] });
        s.send('unpublishDataTrackRequest', { pubHandle: 1 });
        s.send('updateDataSubscription', { updates: [{ trackSid: 'DTR_x', subscribe: true }] });
        s.send('publishDataTrackRequest', { pubHandle: 1, name: 'd' });
        const refused = await s.next('requestResponse');
        assert.equal(refused.reason, 2, 'not allowed');
        assert.equal(refused.request.case, 'publishDataTrack');
        assert.equal(refused.request.value.name, 'd');
        await s.settled();
        await s.leave();
    });
});
