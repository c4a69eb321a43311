// timeout: 180
// What is known to break clients of LiveKit's protocol, by the number that it has in the notes on the protocol:
// the server falls into none of these traps.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TrackSource, TrackType } from '@livekit/protocol';
import { Peer, allDone } from './lib/peer.mjs';
import { addAudio, addVideo, cids, offer, publishBoth, publishOffer } from './lib/publish.mjs';
import { formats, recorded, sections } from './lib/sdp.mjs';
import { Server, slow, stopwatch, token, until } from './lib/server.mjs';
import { Signal, clientInfo, joinRequest, refusal, target } from './lib/signal.mjs';
import { rawToken } from './lib/token.mjs';

const joinOffer = recorded('chromium-156-join-offer');
const offers = ['chromium-156-join-offer', 'firefox-153-join-offer'];

let server;
let rooms = 0;
const newRoom = () => `trap-${++rooms}`;

before(async () => {
    server = await Server.start({ args: ['--set', 'rtc.connect_timeout_s=90'] });
});

after(async () => {
    assert.equal((await server.stop()).code, 0, server.log);
    allDone();
});

const bye = (...people) => Promise.all(people.map((p) => p.leave()));
const join = (room, identity, more) => Signal.join(server, { room, identity, ...more });

/** Where in the messages of a client the first one of a kind is that fits. */
const place = (s, kind, fits = () => true) => s.messages.findIndex((m) => m.case === kind && fits(m.value));

test('1: the server tells its version', async () => {
    const s = await join(newRoom(), 'ada');
    assert.match(s.join.serverInfo.version, /^\d+\.\d+\.\d+$/);
    assert.equal(s.join.serverVersion, s.join.serverInfo.version);
    await s.leave();
});

test('2: an answer carries the id of its offer, 0 for 0', async () => {
    const s = await join(newRoom(), 'ada', { offer: joinOffer, offerId: 0 });
    assert.equal((await s.next('answer')).id, 0);
    for (const id of [1, 2, 3, 0, 4000000000]) assert.equal((await offer(s, id, joinOffer)).id, id);
    await s.leave();
});

test('3: with one connection the server never offers', async () => {
    for (const form of ['v1', 'request']) {
        const room = newRoom();
        const s = await join(room, 'bob', { offer: joinOffer, form });
        const ada = await join(room, 'ada');
        await publishBoth(ada);
        const poke = await s.next('mediaSectionsRequirement');
        assert.deepEqual([poke.numAudios, poke.numVideos], [0, 0]);
        await s.settled();
        assert.deepEqual(s.all('offer'), []);
        await bye(s, ada);
    }
});

test('4: join_request decides, not the path', async () => {
    const s = await join(newRoom(), 'go', { form: 'request', offer: joinOffer, info: { sdk: 5 } });
    assert.equal(s.join.subscriberPrimary, false);
    await s.next('answer');
    await s.leave();
    const two = await join(newRoom(), 'old', { form: 'two' });
    assert.equal(two.join.subscriberPrimary, true);
    await two.next('offer');
    await two.leave();
});

test('5: the map of mids is complete in every answer', async () => {
    const room = newRoom();
    const ada = await join(room, 'ada');
    const first = await publishBoth(ada);
    for (const name of offers) {
        const bob = await join(room, `bob ${name}`, { offer: recorded(name) });
        const check = (answer, sids) => {
            const bound = sections(answer.sdp).filter((s) => s.direction === 'sendonly');
            assert.deepEqual(
                Object.fromEntries(bound.map((s) => [s.mid, s.msid.split(' ')[1]])),
                answer.midToTrackId,
            );
            assert.deepEqual(Object.values(answer.midToTrackId).sort(), sids.sort());
        };
        const sids = [first.audio.sid, first.video.sid];
        check(await bob.next('answer'), sids);
        const eve = await join(room, 'eve');
        const second = await publishBoth(eve);
        await bob.next('mediaSectionsRequirement');
        check(await offer(bob, 2, recorded(name)), [...sids, second.audio.sid, second.video.sid]);
        check(await offer(bob, 3, recorded(name)), [...sids, second.audio.sid, second.video.sid]);
        await bye(bob, eve);
    }
    await ada.leave();
});

test('6: who publishes a track is known before the description that carries it', async () => {
    for (const form of ['v1', 'two']) {
        const room = newRoom();
        const bob = await join(room, 'bob', { form, offer: form === 'v1' ? joinOffer : undefined });
        const ada = await join(room, 'ada');
        const { video } = await publishBoth(ada);
        const known = (u) => u.participants.some((p) => p.tracks.some((t) => t.sid === video.sid));
        if (form === 'v1') {
            await bob.next('mediaSectionsRequirement');
            await offer(bob, 2, joinOffer);
        }
        const carries = (d) => Object.values(d.midToTrackId).includes(video.sid);
        if (form === 'v1') {
            assert.ok(place(bob, 'update', known) >= 0);
            assert.ok(place(bob, 'update', known) < place(bob, 'answer', carries));
        } else {
            // the first offer waits for its answer: the track would be in the next; a newcomer gets it at once
            const eve = await join(room, 'eve', { form });
            assert.ok(eve.join.otherParticipants.some((p) => p.tracks.some((t) => t.sid === video.sid)));
            assert.ok(carries(await eve.next('offer')));
            await eve.leave();
        }
        await bye(ada, bob);
    }
});

test('7: a missing room is told in the words that keep clients from trying an older path', async () => {
    const closed = await Server.start({ args: ['--set', 'room.auto_create=false'] });
    const params = { access_token: await token('ada', 'gone'), join_request: joinRequest({ clientInfo: clientInfo() }) };
    const r = await fetch(closed.http + target('/rtc/v1/validate', params));
    assert.equal(r.status, 404);
    assert.match(await r.text(), /requested room does not exist/);
    assert.equal((await closed.stop()).code, 0);
});

test('8: the newest refresh token is good for a resume, even when the first token has expired', async () => {
    const room = newRoom();
    const now = Math.floor(Date.now() / 1000);
    // valid for the minute of leeway only
    const jwt = rawToken({ sub: 'ada', video: { roomJoin: true, room }, nbf: now - 600, exp: now - 55 });
    const ada = await Peer.join(server, { room, identity: 'ada', jwt });
    const fresh = await ada.signal.next('refreshToken');
    await ada.signal.drop();
    const s = await Signal.resume(server, { jwt: fresh, sid: ada.sid });
    assert.equal(s.first1.case, 'reconnect');
    await s.next('refreshToken');
    ada.adopt(s);
    await ada.leave();
});

test('9: a leave precedes every close with 1000; without one the code is another', async () => {
    const room = newRoom();
    const first = await join(room, 'ada');
    const second = await join(room, 'ada');
    await first.closed;
    assert.ok(first.all('leave').length === 1 || first.end.code !== 1000);
    second.ws.send(Buffer.from([0xff]));
    assert.notEqual((await second.closed).code, 1000);
});

test('10: the first word after a resume is reconnect', async () => {
    for (const form of ['v1', 'two']) {
        const room = newRoom();
        const ada = await Peer.join(server, { room, identity: 'ada', form });
        const bob = await join(room, 'bob');
        const eve = await join(room, 'eve');
        await ada.signal.drop();
        await eve.leave();
        const s = await Signal.resume(server, { room, identity: 'ada', sid: ada.sid, form });
        assert.equal(s.first1.case, 'reconnect');
        assert.match(s.first1.value.serverInfo.version, /^\d/);
        const gone = (u) => u.participants.some((p) => p.identity === 'eve' && p.state === 3);
        const all = (u) => u.participants.some((p) => p.identity === 'bob') && u.participants.some((p) => p.identity === 'ada');
        await s.next('update', gone);
        await s.next('update', all);
        await s.next('roomUpdate');
        await s.next('refreshToken');
        const order = [place(s, 'reconnect'), place(s, 'update', gone), place(s, 'update', all), place(s, 'roomUpdate')];
        assert.deepEqual([...order].sort((a, b) => a - b), order, 'leavers, then everyone, then the room');
        await bye(s, bob);
        ada.close();
    }
});

test('10: whoever is unknown is told to start over, after an upgrade that succeeds', async () => {
    for (const form of ['v1', 'two']) {
        const s = await Signal.resume(server, { room: newRoom(), identity: 'ada', sid: 'PA_unknown', form });
        assert.equal(s.first1.case, 'leave');
        assert.deepEqual([s.first1.value.reason, s.first1.value.action], [6, 2], 'state mismatch, reconnect');
        await s.closed;
    }
});

test('11: two connections: a resume brings an offer with an ICE restart', async () => {
    const room = newRoom();
    const ada = await Peer.join(server, { room, identity: 'ada', form: 'two' });
    const before = (await ada.signal.next('offer')).sdp.match(/a=ice-ufrag:(.*)/)[1];
    await ada.signal.drop();
    const s = await Signal.resume(server, { room, identity: 'ada', sid: ada.sid, form: 'two' });
    const restart = await s.next('offer');
    assert.notEqual(restart.sdp.match(/a=ice-ufrag:(.*)/)[1], before);
    assert.ok(restart.id > 1);
    await s.leave();
    ada.close();
});

test('12: errors of the upgrade are readable by pages of any origin', async () => {
    const origin = { Origin: 'https://elsewhere.example' };
    for (const path of ['/rtc', '/rtc/v1', '/rtc?access_token=x', '/rtc/v1?access_token=x&join_request=!']) {
        const r = await refusal(server, path, origin);
        assert.ok(r.status >= 400);
        assert.equal(r.headers['access-control-allow-origin'], origin.Origin);
        const v = await fetch(server.http + path.replace(/\?|$/, (m) => `/validate${m}`), { headers: origin });
        assert.equal(v.headers.get('access-control-allow-origin'), origin.Origin);
    }
    const wrong = await fetch(`${server.http}/nothing.here`, { headers: origin });
    assert.equal(wrong.headers.get('access-control-allow-origin'), origin.Origin);
});

test('13: track_published comes at once, once, with the cid as it was', async () => {
    const s = await join(newRoom(), 'ada');
    const cid = 'TR_{ünïcode} "x" \\ / 🎤';
    const took = stopwatch();
    addAudio(s, { cid });
    const { track } = await s.next('trackPublished', (t) => t.cid === cid);
    assert.ok(took() < 1000 * slow);
    assert.match(track.sid, /^TR_/);
    await offer(s, 1);
    await offer(s, 2);
    await s.settled();
    assert.equal(s.all('trackPublished').length, 1);
    await s.leave();
});

test('14: a change of metadata is told to the one who made it', async () => {
    const s = await join(newRoom(), 'ada', { grants: { canUpdateOwnMetadata: true } });
    s.send('updateMetadata', { name: 'Ada', metadata: 'm', attributes: { k: 'v' }, requestId: 1 });
    const own = await s.knows('ada', (p) => p.name === 'Ada' && p.metadata === 'm' && p.attributes.k === 'v');
    assert.equal(own.sid, s.sid);
    await s.leave();
});

test('15: versions only grow, over resumes too', async () => {
    const room = newRoom();
    const bob = await join(room, 'bob');
    const ada = await Peer.join(server, { room, identity: 'ada', publish: ['opus'], grants: { canUpdateOwnMetadata: true } });
    for (let i = 0; i < 5; i++) ada.signal.send('mute', { sid: ada.sent[0].sid, muted: i % 2 === 0 });
    await ada.signal.settled();
    await ada.signal.drop();
    const s = await Signal.resume(server, { room, identity: 'ada', sid: ada.sid });
    ada.adopt(s);
    s.send('updateMetadata', { name: 'after', requestId: 1 });
    await bob.knows('ada', (p) => p.name === 'after');
    const versions = bob
        .all('update')
        .flatMap((u) => u.participants)
        .filter((p) => p.identity === 'ada')
        .map((p) => p.version);
    assert.ok(versions.length >= 7, `${versions}`);
    for (let i = 1; i < versions.length; i++) assert.ok(versions[i] > versions[i - 1], `${versions}`);
    const own = s.all('update').flatMap((u) => u.participants).filter((p) => p.identity === 'ada');
    assert.ok(own.every((p, i) => i === 0 || p.version > own[i - 1].version));
    await bye(ada, bob);
});

test('16: what a client can do is told to the others as it said it', async () => {
    const room = newRoom();
    const ada = await join(room, 'ada');
    const v1 = await join(room, 'v1', { info: { clientProtocol: 2, capabilities: [2] } });
    const old = await join(room, 'old', { form: 'two', query: { client_protocol: 1, capabilities: 'CAP_PACKET_TRAILER' } });
    const plain = await join(room, 'plain', { form: 'two' });
    assert.deepEqual([(await ada.knows('v1', () => true)).clientProtocol, ada.person('v1').capabilities], [2, [2]]);
    assert.deepEqual([(await ada.knows('old', () => true)).clientProtocol, ada.person('old').capabilities], [1, [1]]);
    assert.deepEqual([(await ada.knows('plain', () => true)).clientProtocol, ada.person('plain').capabilities], [0, []]);
    await bye(ada, v1, old, plain);
});

test('17: reliable packets keep their number, their order and get the true sender', async () => {
    const room = newRoom();
    const ada = await Peer.join(server, { room, identity: 'ada' });
    const bob = await Peer.join(server, { room, identity: 'bob' });
    for (let i = 1; i <= 100; i++)
        ada.data({
            sequence: 1000 + i * 3,
            participantSid: 'PA_forged',
            value: { case: 'user', value: { payload: Buffer.from(`${i}`) } },
        });
    await until('all of them', () => bob.packets.length === 100);
    bob.packets.forEach((p, i) => {
        assert.equal(p.sequence, 1000 + (i + 1) * 3);
        assert.equal(p.participantSid, ada.sid);
    });
    await bye(ada, bob);
});

test('18: neither _data_track nor candidates of the client are waited for', async () => {
    const ada = await Peer.join(server, { room: newRoom(), identity: 'ada' }); // opens two channels, sends no trickle
    await until('active', () => server.log.includes(`participant.active room=trap-${rooms} identity=ada`));
    assert.deepEqual(Object.keys(ada.channels), ['_reliable', '_lossy']);
    await ada.leave();
});

test('19: one meaning a payload type in all of the answer, and none that was not offered', async () => {
    const room = newRoom();
    const ada = await join(room, 'ada');
    await publishBoth(ada);
    for (const name of [...offers, 'chromium-156-publish-offer', 'firefox-153-publish-offer']) {
        const sdp = recorded(name);
        const bob = await join(room, 'bob', { offer: sdp });
        const answer = await bob.next('answer');
        const offered = sections(sdp);
        const meaning = {};
        sections(answer.sdp).forEach((s, i) => {
            assert.equal(s.mid, offered[i].mid);
            assert.equal(s.kind, offered[i].kind);
            if (s.kind === 'application') return;
            for (const pt of s.formats) {
                assert.ok(offered[i].formats.includes(pt), `${name}: ${pt} was not offered in section ${i}`);
                const fmtp = s.lines.find((l) => l.startsWith(`a=fmtp:${pt} `)) ?? '';
                const what = `${formats(s)[pt]} ${fmtp}`;
                assert.equal((meaning[pt] ??= what), what, `${name}: ${pt} means two things`);
                assert.equal(formats(s)[pt], formats(offered[i])[pt]);
            }
        });
        await bob.leave();
    }
    await ada.leave();
});

test('20: a track is told before its first packet, muted ones too', async () => {
    const room = newRoom();
    const bob = await join(room, 'bob');
    const ada = await join(room, 'ada');
    addAudio(ada, { muted: true });
    const { track } = await ada.next('trackPublished');
    assert.equal(track.muted, true);
    await offer(ada, 1);
    const known = await bob.knows('ada', (p) => p.tracks.length === 1);
    assert.equal(known.tracks[0].muted, true);
    await bye(ada, bob);
});

test('21: a section that stops sending ends its track', async () => {
    for (const direction of ['inactive', 'recvonly']) {
        const room = newRoom();
        const bob = await join(room, 'bob');
        const ada = await join(room, 'ada');
        const { audio } = await publishBoth(ada);
        await bob.knows('ada', (p) => p.tracks.length === 2);
        await offer(ada, 2, publishOffer.replace(/(m=video[\s\S]*?)a=sendonly/, `$1a=${direction}`));
        const known = await bob.knows('ada', (p) => p.tracks.length === 1);
        assert.equal(known.tracks[0].sid, audio.sid);
        await bye(ada, bob);
    }
});

test('22: what a strict client needs is in every message', async () => {
    const room = newRoom();
    const ada = await Peer.join(server, { room, identity: 'ada', publish: ['opus', 'vp8'] });
    const bob = await Peer.join(server, { room, identity: 'bob', form: 'two' });
    ada.stream(10);
    ada.signal.send('mute', { sid: ada.sent[1].sid, muted: true });
    await until('everything was said', () =>
        ['update', 'speakersChanged', 'connectionQuality', 'roomUpdate'].every((k) => bob.signal.all(k).length),
    );
    await ada.signal.next('trackSubscribed');
    for (const s of [ada.signal, bob.signal]) {
        const j = s.join;
        assert.ok(j.pingInterval > 0 && j.pingTimeout > 0);
        const people = [j.participant, ...j.otherParticipants, ...s.all('update').flatMap((u) => u.participants)];
        for (const p of people) {
            assert.match(p.sid, /^PA_/);
            assert.ok(p.identity && p.permission);
            for (const t of p.tracks) assert.match(t.sid, /^TR_/);
        }
        for (const u of s.all('roomUpdate')) assert.match(u.room.sid, /^RM_/);
        for (const t of s.all('trackPublished')) assert.match(t.track.sid, /^TR_/);
        for (const u of s.all('speakersChanged')) for (const x of u.speakers) assert.match(x.sid, /^PA_/);
        for (const u of s.all('connectionQuality')) for (const x of u.updates) assert.match(x.participantSid, /^PA_/);
        for (const t of s.all('trickle')) {
            const c = JSON.parse(t.candidateInit);
            assert.ok('candidate' in c && 'sdpMid' in c && 'sdpMLineIndex' in c);
        }
    }
    await bye(ada, bob);
});

test('23: auto_subscribe: absent is yes in the query and no in a join request', async () => {
    const room = newRoom();
    const ada = await join(room, 'ada');
    const { video } = await publishBoth(ada);
    const jwt = await token('bob', room);
    const two = await Signal.open(server, target('/rtc', { access_token: jwt, protocol: 17 }));
    assert.ok(Object.values((await two.next('offer')).midToTrackId).includes(video.sid));
    await two.leave();
    for (const no of ['0', 'false', 'x']) {
        const s = await Signal.open(server, target('/rtc', { access_token: jwt, protocol: 17, auto_subscribe: no }));
        assert.deepEqual((await s.next('offer')).midToTrackId, {}, no);
        await s.leave();
    }
    const request = joinRequest({ clientInfo: clientInfo(), publisherOffer: { type: 'offer', sdp: joinOffer, id: 1 } });
    const one = await Signal.open(server, target('/rtc/v1', { access_token: jwt, join_request: request }));
    assert.deepEqual((await one.next('answer')).midToTrackId, {});
    await bye(one, ada);
});

test('24: both pongs, in milliseconds', async () => {
    const s = await join(newRoom(), 'ada');
    s.send('ping', BigInt(Date.now()));
    s.send('pingReq', { timestamp: 12345n, rtt: 0n });
    assert.ok(Math.abs(Number(await s.next('pong')) - Date.now()) < 5000);
    const r = await s.next('pongResp');
    assert.equal(r.lastPingTimestamp, 12345n);
    assert.ok(Math.abs(Number(r.timestamp) - Date.now()) < 5000);
    await s.leave();
});

test('25: a join of many sections fits into the request line', async () => {
    const [head, ...media] = joinOffer.split(/(?=m=)/);
    const video = media.find((m) => m.startsWith('m=video'));
    const many = [...media];
    while (many.length < 12) many.push(video.replace(/a=mid:\d+/, `a=mid:${many.length}`));
    const sdp = head.replace(/BUNDLE.*/, `BUNDLE ${many.map((_, i) => i).join(' ')}`) + many.join('');
    const path = await Signal.joinPath({ room: newRoom(), identity: 'ada', offer: sdp });
    assert.ok(path.length > 48000 && path.length < 65000, `${path.length}`);
    const s = await Signal.open(server, path);
    assert.equal(sections((await s.next('answer')).sdp).length, 12);
    await s.leave();
});

test('26: trickle with final, update_layers, publish=, blobs: no harm', async () => {
    const jwt = await token('ada', newRoom());
    const s = await Signal.open(server, target('/rtc', { access_token: jwt, protocol: 17, publish: 'screen' }));
    await s.first('join');
    s.send('trickle', { candidateInit: '', target: 0, final: true });
    s.send('trickle', { candidateInit: 'not json', target: 1 });
    s.send('updateLayers', { trackSid: 'TR_x', layers: [] });
    s.send('storeDataBlobRequest', { requestId: 3, blob: { key: { key: { case: 'generic', value: 'k' } } } });
    assert.deepEqual([(await s.next('requestResponse')).requestId], [3]);
    s.send('getDataBlobRequest', { requestId: 4, participantIdentity: 'x' });
    assert.deepEqual([(await s.next('requestResponse')).requestId], [4]);
    await s.settled();
    await s.leave();
});

test('27: the same identity: the old session goes first, nobody hears that the new one left', async () => {
    const room = newRoom();
    const bob = await join(room, 'bob');
    const old = await Peer.join(server, { room, identity: 'ada', publish: ['opus'] });
    await bob.knows('ada', (p) => p.tracks.length === 1);
    const fresh = await join(room, 'ada');
    const l = await old.signal.next('leave');
    assert.deepEqual([l.reason, l.action], [2, 0]);
    const now = await bob.knows('ada', (p) => p.sid === fresh.sid);
    assert.deepEqual(now.tracks, []);
    assert.ok(now.joinedAtMs >= old.signal.join.participant.joinedAtMs);
    await bob.settled();
    assert.ok(!bob.all('update').some((u) => u.participants.some((p) => p.identity === 'ada' && p.state === 3)));
    old.close();
    await bye(fresh, bob);
});

test('28: a full reconnect while the old session seems alive is quick', async () => {
    const room = newRoom();
    const bob = await Peer.join(server, { room, identity: 'bob' });
    let ada = await Peer.join(server, { room, identity: 'ada', publish: ['opus'] });
    for (let i = 0; i < 3; i++) {
        const old = ada;
        await old.signal.drop();
        const took = stopwatch();
        ada = await Peer.join(server, { room, identity: 'ada', publish: ['opus'], wait: false });
        assert.ok(took() < 1000 * slow);
        await ada.ready();
        assert.notEqual(ada.sid, old.sid);
        old.close();
        ada.stream();
        await bob.receives(ada.sent[0].sid);
    }
    await bye(ada, bob);
});

test('29: who is to come back is told to reconnect, who is not to disconnect', async () => {
    const room = newRoom();
    const ada = await Peer.join(server, { room, identity: 'ada' });
    // a client that publishes what the server does not know has to start over
    ada.signal.send('syncState', { publishTracks: [{ cid: 'x', track: { sid: 'TR_unknown' } }] });
    const l = await ada.signal.next('leave');
    assert.deepEqual([l.reason, l.action, l.canReconnect], [6, 2, true]);
    ada.close();
    const first = await join(room, 'ada');
    const second = await join(room, 'ada');
    const m = await first.next('leave');
    assert.deepEqual([m.action, m.canReconnect], [0, false]);
    await second.leave();
});

test('30: joined and active are told at once', async () => {
    const room = newRoom();
    const bob = await join(room, 'bob');
    const took = stopwatch();
    const ada = await Peer.join(server, { room, identity: 'ada' });
    await bob.knows('ada', (p) => p.state === 2);
    assert.ok(took() < 2000 * slow, `${took()} ms`);
    const states = bob.all('update').flatMap((u) => u.participants.filter((p) => p.identity === 'ada').map((p) => p.state));
    assert.deepEqual(states, [1, 2]);
    await bye(ada, bob);
});

test('a track of a client that renames it on the way is the one that was announced', async () => {
    const room = newRoom();
    const bob = await join(room, 'bob');
    const ada = await join(room, 'ada');
    ada.send('addTrack', { cid: 'another-id', type: TrackType.VIDEO, source: TrackSource.CAMERA, width: 1, height: 1 });
    const { track } = await ada.next('trackPublished');
    await offer(ada, 1);
    const known = await bob.knows('ada', (p) => p.tracks.length === 1);
    assert.equal(known.tracks[0].sid, track.sid);
    assert.equal(known.tracks[0].codecs[0].sdpCid, cids.video);
    addVideo(ada, { cid: 'late' });
    await ada.next('trackPublished');
    await bye(ada, bob);
});
