// timeout: 180
// Rooms seen through the client protocol: who may do what, who hears of what, and how stays end.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TrackSource } from '@livekit/protocol';
import { Peer, allDone } from './lib/peer.mjs';
import { addAudio, addVideo, cids, layers, offer, publishBoth, publishOffer } from './lib/publish.mjs';
import { recorded, sections } from './lib/sdp.mjs';
import { Server, slow, stopwatch, until } from './lib/server.mjs';
import { Signal, refusal } from './lib/signal.mjs';
import { claimsOf, rawToken } from './lib/token.mjs';

const joinOffer = recorded('chromium-156-join-offer');
const [OK, NOT_FOUND, NOT_ALLOWED, LIMIT_EXCEEDED, QUEUED, UNSUPPORTED_TYPE] = [0, 1, 2, 3, 4, 5];

let server;
let rooms = 0;
const newRoom = () => `room-${++rooms}`;

before(async () => {
    server = await Server.start({ args: ['--set', 'rtc.connect_timeout_s=90'] });
});

after(async () => {
    assert.equal((await server.stop()).code, 0, server.log);
    allDone();
});

/** Ada, who publishes nothing yet, and Bob, who watches. */
async function pair(options = {}) {
    const room = newRoom();
    const ada = await Signal.join(server, { room, identity: 'ada', ...options.ada });
    const bob = await Signal.join(server, { room, identity: 'bob', offer: joinOffer, offerId: 1, ...options.bob });
    return { room, ada, bob };
}

const bye = (...people) => Promise.all(people.map((p) => p.leave()));

describe('publishing', () => {
    test('announced, negotiated, told to others; then muted, changed, ended', async () => {
        const { ada, bob } = await pair();
        const { audio, video, answer } = await publishBoth(ada);
        assert.match(audio.sid, /^TR_AM/);
        assert.match(video.sid, /^TR_VC/);
        assert.deepEqual(
            video.layers.map((l) => [l.quality, l.rid, l.spatialLayer, l.width]),
            [
                [0, 'q', 0, 320],
                [1, 'h', 1, 640],
                [2, 'f', 2, 1280],
            ],
        );
        assert.equal(video.codecs[0].cid, cids.video);
        assert.equal(video.stream, 'camera');
        assert.deepEqual(
            sections(answer.sdp).map((s) => s.direction),
            ['recvonly', 'recvonly', undefined],
        );

        const known = await bob.knows('ada', (p) => p.tracks.length === 2);
        assert.ok(known.isPublisher);
        const told = known.tracks.find((t) => t.sid === video.sid);
        assert.equal(told.mimeType, 'video/VP8');
        assert.equal(told.mid, '1');
        assert.equal(told.simulcast, true);
        assert.equal(known.tracks.find((t) => t.sid === audio.sid).mimeType, 'audio/red');

        // mute: everyone is told, she herself too, each time with a newer version
        ada.send('mute', { sid: audio.sid, muted: true });
        const isMuted = (p, want) => p.tracks.find((t) => t.sid === audio.sid)?.muted === want;
        const muted = await bob.knows('ada', (p) => isMuted(p, true));
        await ada.knows('ada', (p) => isMuted(p, true));
        assert.ok(muted.version > known.version);
        ada.send('mute', { sid: audio.sid, muted: false });
        const unmuted = await bob.knows('ada', (p) => isMuted(p, false));
        assert.ok(unmuted.version > muted.version);

        // features and size
        ada.send('updateAudioTrack', { trackSid: audio.sid, features: [0, 4] });
        const stereo = await bob.knows('ada', (p) => p.tracks.some((t) => t.sid === audio.sid && t.stereo));
        assert.deepEqual(stereo.tracks.find((t) => t.sid === audio.sid).audioFeatures, [0, 4]);
        ada.send('updateVideoTrack', { trackSid: video.sid, width: 640, height: 480 });
        await bob.knows('ada', (p) => p.tracks.some((t) => t.sid === video.sid && t.width === 640 && t.height === 480));

        // the section of the camera stops: that is all that tells of the end
        const sdp = publishOffer.replace(/(m=video[\s\S]*?)a=sendonly/, '$1a=inactive');
        await offer(ada, 2, sdp);
        const left = await bob.knows('ada', (p) => p.tracks.length === 1);
        assert.equal(left.tracks[0].sid, audio.sid);
        await bye(ada, bob);
    });

    test('negotiated first, announced afterwards', async () => {
        const { ada, bob } = await pair();
        await offer(ada, 1);
        addVideo(ada);
        const { track } = await ada.next('trackPublished');
        await bob.knows('ada', (p) => p.tracks.some((t) => t.sid === track.sid && t.mimeType === 'video/VP8'));
        await bye(ada, bob);
    });

    test('requests about what is not there', async () => {
        const { ada, bob } = await pair();
        ada.send('mute', { sid: 'TR_nothing', muted: true });
        ada.send('updateAudioTrack', { trackSid: 'TR_nothing', features: [1] });
        ada.send('updateVideoTrack', { trackSid: 'TR_nothing', width: 1, height: 1 });
        addVideo(ada, { sid: 'TR_nothing' });
        ada.send('addTrack', { cid: 'data', type: 2 });
        for (const [kind, reason, field] of [
            ['mute', NOT_FOUND, 'sid'],
            ['updateAudioTrack', NOT_FOUND, 'trackSid'],
            ['updateVideoTrack', NOT_FOUND, 'trackSid'],
            ['addTrack', NOT_FOUND, 'sid'],
            ['addTrack', UNSUPPORTED_TYPE, 'cid'],
        ]) {
            const r = await ada.next('requestResponse');
            assert.equal(r.request.case, kind);
            assert.equal(r.reason, reason);
            assert.match(r.request.value[field], /^(TR_nothing|data)$/);
        }
        await bye(ada, bob);
    });

    test('the same cid twice: the second waits for the end of the first', async () => {
        const { ada, bob } = await pair();
        const { video } = await publishBoth(ada);
        addVideo(ada);
        const queued = await ada.next('requestResponse');
        assert.equal(queued.reason, QUEUED);
        assert.equal(queued.request.value.cid, cids.video);
        assert.equal(ada.all('trackPublished').length, 2);
        await offer(ada, 2, publishOffer.replace(/(m=video[\s\S]*?)a=sendonly/, '$1a=inactive'));
        const { track } = await ada.next('trackPublished', (t) => t.track.sid !== video.sid && t.cid === cids.video);
        await offer(ada, 3);
        await bob.knows('ada', (p) => p.tracks.some((t) => t.sid === track.sid));
        await bye(ada, bob);
    });

    test('a backup codec belongs to the track that is there', async () => {
        const { ada, bob } = await pair();
        const { video } = await publishBoth(ada);
        addVideo(ada, { sid: video.sid, cid: 'backup', simulcastCodecs: [{ codec: 'h264', cid: 'backup', layers }] });
        const { cid, track } = await ada.next('trackPublished', (t) => t.cid === 'backup');
        assert.equal(cid, 'backup');
        assert.equal(track.sid, video.sid);
        assert.deepEqual(
            track.codecs.map((c) => c.mimeType.toLowerCase()),
            ['video/vp8', 'video/h264'],
        );
        await bye(ada, bob);
    });

    test('many announcements: a limit', async () => {
        const { ada, bob } = await pair();
        for (let i = 0; i < 40; i++) addVideo(ada, { cid: `cid-${i}`, simulcastCodecs: [] });
        const r = await ada.next('requestResponse');
        assert.equal(r.reason, LIMIT_EXCEEDED);
        assert.equal(r.request.value.cid, 'cid-32');
        await ada.settled();
        assert.equal(ada.all('trackPublished').length, 32);
        await bye(ada, bob);
    });
});

describe('rights', () => {
    test('who may not publish: no announcement, no section', async () => {
        const { ada, bob } = await pair({ ada: { grants: { canPublish: false } } });
        assert.equal(ada.join.fastPublish, false);
        assert.equal(ada.join.participant.permission.canPublish, false);
        assert.equal(ada.join.participant.permission.canPublishData, false, 'follows canPublish');
        addVideo(ada);
        assert.equal((await ada.next('requestResponse')).reason, NOT_ALLOWED);
        const answer = await offer(ada, 1);
        assert.deepEqual(
            sections(answer.sdp)
                .slice(0, 2)
                .map((s) => s.direction),
            ['inactive', 'inactive'],
        );
        await bob.settled();
        assert.ok(!bob.person('ada').isPublisher);
        await bye(ada, bob);
    });

    test('only the sources of the token', async () => {
        const { ada, bob } = await pair({ ada: { grants: { canPublishSources: [TrackSource.MICROPHONE] } } });
        assert.deepEqual(ada.join.participant.permission.canPublishSources, [2]);
        addVideo(ada);
        const r = await ada.next('requestResponse');
        assert.equal(r.reason, NOT_ALLOWED);
        assert.equal(r.request.value.cid, cids.video);
        addAudio(ada);
        await ada.next('trackPublished');
        await offer(ada, 1);
        const known = await bob.knows('ada', (p) => p.tracks.length > 0);
        assert.deepEqual(
            known.tracks.map((t) => t.source),
            [2],
        );
        await bye(ada, bob);
    });

    test('who may not subscribe gets nothing and is asked for nothing', async () => {
        for (const form of ['v1', 'two']) {
            const room = newRoom();
            const ada = await Signal.join(server, { room, identity: 'ada' });
            const { video } = await publishBoth(ada);
            const bob = await Signal.join(server, {
                room,
                identity: 'bob',
                grants: { canSubscribe: false },
                form,
                offer: form === 'v1' ? joinOffer : undefined,
            });
            assert.equal(bob.join.subscriberPrimary, false, 'without subscriptions there is no subscriber connection');
            assert.ok(bob.join.otherParticipants[0].tracks.some((t) => t.sid === video.sid), 'but knows of the tracks');
            bob.send('subscription', { trackSids: [video.sid], subscribe: true });
            await bob.settled();
            if (form === 'v1') assert.deepEqual((await bob.next('answer')).midToTrackId, {});
            assert.deepEqual(bob.all('offer'), []);
            assert.deepEqual(bob.all('mediaSectionsRequirement'), []);
            await bye(ada, bob);
        }
    });

    test('hidden: not seen, but sees', async () => {
        const room = newRoom();
        const ada = await Signal.join(server, { room, identity: 'ada' });
        const eve = await Signal.join(server, { room, identity: 'eve', grants: { hidden: true } });
        assert.deepEqual(
            eve.join.otherParticipants.map((p) => p.identity),
            ['ada'],
        );
        assert.equal(eve.join.participant.permission.hidden, true);
        const bob = await Signal.join(server, { room, identity: 'bob' });
        assert.deepEqual(
            bob.join.otherParticipants.map((p) => p.identity),
            ['ada'],
        );
        assert.equal(bob.join.room.numParticipants, 2, 'does not count');
        await eve.knows('bob', (p) => p.state === 1);
        await eve.leave();
        await ada.settled();
        assert.equal(ada.person('eve'), undefined);
        await bye(ada, bob);
    });

    test('a recorder: the room says that it is being recorded, and no longer', async () => {
        const room = newRoom();
        const ada = await Signal.join(server, { room, identity: 'ada' });
        const rec = await Signal.join(server, { room, identity: 'rec', grants: { recorder: true } });
        assert.equal(rec.join.room.activeRecording, true);
        assert.equal((await ada.next('roomUpdate', (u) => u.room.activeRecording)).room.sid, ada.join.room.sid);
        await rec.leave();
        await ada.next('roomUpdate', (u) => !u.room.activeRecording);
        await ada.leave();
    });

    test('numbers of people come as room updates', async () => {
        const { ada, bob } = await pair();
        const { room } = await ada.next('roomUpdate', (u) => u.room.numParticipants === 2);
        assert.equal(room.sid, ada.join.room.sid);
        await bye(ada, bob);
    });
});

describe('what people say of themselves', () => {
    const grants = { canUpdateOwnMetadata: true };

    test('name, metadata and attributes: answered, told to all, in the next token', async () => {
        const { ada, bob } = await pair({ ada: { grants, options: { name: 'Ada', attributes: { a: '1', b: '2' } } } });
        await ada.next('refreshToken');
        ada.send('updateMetadata', { name: 'Countess', metadata: 'engine', attributes: { b: '', c: '3' }, requestId: 5 });
        const r = await ada.next('requestResponse');
        assert.deepEqual([r.requestId, r.reason, r.request.case], [5, OK, 'updateMetadata']);
        const own = await ada.knows('ada', (p) => p.name === 'Countess');
        assert.equal(own.metadata, 'engine');
        assert.deepEqual(own.attributes, { a: '1', c: '3' });
        const seen = await bob.knows('ada', (p) => p.name === 'Countess');
        assert.equal(seen.version, own.version);
        const claims = claimsOf(await ada.next('refreshToken'));
        assert.equal(claims.name, 'Countess');
        assert.equal(claims.metadata, 'engine');
        assert.deepEqual(claims.attributes, { a: '1', c: '3' });

        ada.send('updateMetadata', { attributes: { d: '4' }, requestId: 6 });
        const next = await bob.knows('ada', (p) => p.attributes.d === '4');
        assert.equal(next.name, 'Countess', 'what is empty stays');
        assert.ok(next.version > seen.version);
        await bye(ada, bob);
    });

    test('not without the grant', async () => {
        const { ada, bob } = await pair();
        ada.send('updateMetadata', { name: 'Countess', requestId: 1 });
        const r = await ada.next('requestResponse');
        assert.deepEqual([r.requestId, r.reason, r.request.case], [1, NOT_ALLOWED, 'updateMetadata']);
        await bye(ada, bob);
    });

    test('limits', async () => {
        const { ada, bob } = await pair({ ada: { grants } });
        for (const [request, reason] of [
            [{ name: 'n'.repeat(256) }, OK],
            [{ name: 'n'.repeat(257) }, LIMIT_EXCEEDED],
            [{ metadata: 'm'.repeat(512 * 1024) }, OK],
            [{ metadata: 'm'.repeat(512 * 1024 + 1) }, LIMIT_EXCEEDED],
            [{ attributes: { k: 'v'.repeat(64 * 1024 - 1) } }, OK],
            [{ attributes: { k: 'v'.repeat(64 * 1024) } }, LIMIT_EXCEEDED],
            [{ attributes: { k: '', l: 'w' } }, OK],
        ]) {
            ada.send('updateMetadata', { ...request, requestId: 9 });
            const r = await ada.next('requestResponse');
            const what = Object.entries(request).map(([k, v]) => `${k} ${JSON.stringify(v).length}`);
            assert.equal(r.reason, reason, `${what}`);
        }
        assert.deepEqual((await bob.knows('ada', (p) => p.attributes.l === 'w')).attributes, { l: 'w' });
        await bye(ada, bob);
    });

    test('older clients are not told of success', async () => {
        const { ada, bob } = await pair({ ada: { grants, info: { protocol: 14 } } });
        ada.send('updateMetadata', { name: 'Countess', requestId: 1 });
        await ada.knows('ada', (p) => p.name === 'Countess');
        await ada.settled();
        assert.deepEqual(ada.all('requestResponse'), []);
        await bye(ada, bob);
    });

    test('client_protocol and capabilities are mirrored', async () => {
        const { ada, bob } = await pair({ bob: { info: { clientProtocol: 1, capabilities: [1, 2] } } });
        const seen = await ada.knows('bob', (p) => p.state === 1);
        assert.equal(seen.clientProtocol, 1);
        assert.deepEqual(seen.capabilities, [1, 2]);
        await bye(ada, bob);
    });
});

describe('subscribing', () => {
    test('by hand: a section only for what is wanted', async () => {
        const room = newRoom();
        const ada = await Signal.join(server, { room, identity: 'ada' });
        const { audio, video } = await publishBoth(ada);
        const bob = await Signal.join(server, { room, identity: 'bob', offer: joinOffer, autoSubscribe: false });
        assert.deepEqual((await bob.next('answer')).midToTrackId, {});
        bob.send('subscription', { trackSids: [video.sid], subscribe: true });
        const poke = await bob.next('mediaSectionsRequirement');
        assert.deepEqual([poke.numAudios, poke.numVideos], [0, 0], 'a section is free: only an offer is wanted');
        let answer = await offer(bob, 2, joinOffer);
        assert.deepEqual(Object.values(answer.midToTrackId), [video.sid]);
        bob.send('subscription', { subscribe: true, participantTracks: [{ participantSid: ada.sid, trackSids: [audio.sid] }] });
        await bob.next('mediaSectionsRequirement');
        answer = await offer(bob, 3, joinOffer);
        assert.deepEqual(Object.values(answer.midToTrackId).sort(), [audio.sid, video.sid].sort());
        const bound = sections(answer.sdp).find((s) => s.direction === 'sendonly' && s.kind === 'video');
        assert.equal(bound.msid, `${ada.sid}|camera ${video.sid}`);

        bob.send('subscription', { trackSids: [video.sid], subscribe: false });
        await bob.next('mediaSectionsRequirement');
        answer = await offer(bob, 4, joinOffer);
        assert.deepEqual(Object.values(answer.midToTrackId), [audio.sid]);
        assert.ok(!sections(answer.sdp).some((s) => s.direction === 'sendonly' && s.kind === 'video'));
        await bye(ada, bob);
    });

    test('more tracks than sections: the client is told how many it lacks', async () => {
        const room = newRoom();
        const people = [];
        for (let i = 0; i < 5; i++) {
            const p = await Signal.join(server, { room, identity: `p${i}` });
            await publishBoth(p);
            people.push(p);
        }
        const bob = await Signal.join(server, { room, identity: 'bob', offer: joinOffer });
        const answer = await bob.next('answer');
        assert.equal(Object.keys(answer.midToTrackId).length, 6);
        const poke = await bob.next('mediaSectionsRequirement');
        assert.deepEqual([poke.numAudios, poke.numVideos], [2, 2]);
        await bye(bob, ...people);
    });

    test('a codec that the client cannot decode is said to be so', async () => {
        const room = newRoom();
        const ada = await Peer.join(server, { room, identity: 'ada', publish: ['av1'] });
        const bob = await Peer.join(server, { room, identity: 'bob', receive: { audio: 1, video: 1, codecs: ['vp8'] } });
        const r = await bob.signal.next('subscriptionResponse');
        assert.equal(r.trackSid, ada.sent[0].sid);
        assert.equal(r.err, 1, 'codec unsupported');
        await bye(ada, bob);
    });

    test('subscription permission: told, taken away, given back', async () => {
        const room = newRoom();
        const ada = await Peer.join(server, { room, identity: 'ada', publish: ['opus', 'vp8'] });
        const bob = await Peer.join(server, { room, identity: 'bob' });
        const eve = await Peer.join(server, { room, identity: 'eve' });
        ada.stream();
        const [audio, video] = ada.sent.map((m) => m.sid);
        for (const p of [bob, eve]) for (const sid of [audio, video]) await p.receives(sid, 2);

        // Eve may have nothing, Bob the sound
        ada.signal.send('subscriptionPermission', {
            allParticipants: false,
            trackPermissions: [{ participantIdentity: 'bob', trackSids: [audio] }],
        });
        const denied = await bob.signal.next('subscriptionPermissionUpdate');
        assert.deepEqual([denied.participantSid, denied.trackSid, denied.allowed], [ada.sid, video, false]);
        for (const sid of [audio, video])
            await eve.signal.next('subscriptionPermissionUpdate', (u) => u.trackSid === sid && !u.allowed);
        await until('no video for bob', () => !bob.incomingTrack(video));
        await until('nothing for eve', () => !eve.incomingTrack(audio) && !eve.incomingTrack(video));
        await bob.receives(audio, 5);

        // by sid, all tracks
        ada.signal.send('subscriptionPermission', {
            allParticipants: false,
            trackPermissions: [{ participantSid: eve.sid, allTracks: true }],
        });
        await bob.signal.next('subscriptionPermissionUpdate', (u) => u.trackSid === audio && !u.allowed);
        for (const sid of [audio, video]) {
            await eve.signal.next('subscriptionPermissionUpdate', (u) => u.trackSid === sid && u.allowed);
            await eve.receives(sid, 2);
        }

        ada.signal.send('subscriptionPermission', { allParticipants: true });
        for (const sid of [audio, video]) {
            await bob.signal.next('subscriptionPermissionUpdate', (u) => u.trackSid === sid && u.allowed);
            await bob.receives(sid, 2);
        }
        await bye(ada, bob, eve);
    });

    test('track_setting pauses and goes on with a key frame; the publisher learns of its first subscriber', async () => {
        const room = newRoom();
        const ada = await Peer.join(server, { room, identity: 'ada', publish: ['vp8'] });
        const bob = await Peer.join(server, { room, identity: 'bob' });
        ada.stream();
        const { sid } = ada.sent[0];
        await bob.receives(sid);
        assert.equal((await ada.signal.next('trackSubscribed')).trackSid, sid);
        bob.signal.send('trackSetting', { trackSids: [sid], disabled: true });
        await bob.signal.settled();
        const { rtp } = bob.incomingTrack(sid);
        let before;
        await until('silence', () => {
            const still = before === rtp.length;
            before = rtp.length;
            return still;
        });
        bob.signal.send('trackSetting', { trackSids: [sid], disabled: false, quality: 2 });
        await bob.receives(sid);
        assert.equal(rtp[before].payload[rtp[before].payload[1] & 0x80 ? 4 : 2] & 1, 0, 'the first packet begins a key frame');
        assert.equal(rtp[before].seq, (rtp[before - 1].seq + 1) & 0xffff, 'no gap that looks like loss');
        await bye(ada, bob);
    });
});

describe('two connections', () => {
    test('the server offers: one offer at a time, what changes meanwhile is in the next', async () => {
        const room = newRoom();
        const bob = await Peer.join(server, { room, identity: 'bob', form: 'two', wait: false });
        assert.equal(bob.signal.messages[0].case, 'join');
        const first = await bob.signal.next('offer');
        assert.equal(first.id, 1);
        assert.deepEqual(
            sections(first.sdp).map((s) => s.kind),
            ['application'],
            'nothing to hear yet: only data',
        );
        await bob.ready();
        const ada = await Signal.join(server, { room, identity: 'ada' });
        bob.hold = true;
        const { audio, video } = await publishBoth(ada);
        const second = await bob.signal.next('offer');
        assert.equal(second.id, 2);
        assert.deepEqual(Object.values(second.midToTrackId).sort(), [audio.sid, video.sid].sort());
        const eve = await Signal.join(server, { room, identity: 'eve' });
        const more = await publishBoth(eve);
        await bob.signal.knows('eve', (p) => p.tracks.length === 2);
        await bob.signal.settled();
        assert.equal(bob.signal.all('offer').length, 2, 'waits for the answer');
        bob.answerTo(second, 1); // an answer to an offer that is long gone
        await bob.signal.settled();
        assert.equal(bob.signal.all('offer').length, 2);
        bob.answerTo(second, 0); // as Go and Rust number theirs
        const third = await bob.signal.next('offer');
        assert.equal(third.id, 3);
        assert.equal(Object.keys(third.midToTrackId).length, 4);
        const section = sections(third.sdp).find((s) => s.msid?.endsWith(more.video.sid));
        assert.equal(section.msid, `${eve.sid}|camera ${more.video.sid}`);
        assert.equal(section.direction, 'sendonly');
        bob.answerTo(third);
        await bye(ada, eve, bob);
    });

    test('older clients find the track in the name of the stream', async () => {
        const room = newRoom();
        const ada = await Signal.join(server, { room, identity: 'ada' });
        const { video } = await publishBoth(ada);
        const bob = await Signal.join(server, { room, identity: 'bob', form: 'two', info: { protocol: 9 } });
        const section = sections((await bob.next('offer')).sdp).find((s) => s.kind === 'video');
        assert.equal(section.msid, `${ada.sid}|${video.sid} ${video.sid}`);
        await bye(ada, bob);
    });
});

describe('news of media', { concurrency: true }, () => {
    test('speakers: by the level that packets carry', async () => {
        const room = newRoom();
        const ada = await Peer.join(server, { room, identity: 'ada', publish: ['opus'] });
        const bob = await Peer.join(server, { room, identity: 'bob' });
        const quiet = await Signal.join(server, { room, identity: 'quiet', autoSubscribe: false });
        const mic = ada.sent[0];
        const stop = ada.stream(10); // -10 dBov
        const s = (await bob.signal.next('speakersChanged')).speakers;
        assert.deepEqual([s.length, s[0].sid, s[0].active], [1, ada.sid, true]);
        assert.ok(s[0].level > 0 && s[0].level <= 1 && (s[0].level * 8) % 1 === 0, `${s[0].level} is in eighths`);
        await ada.signal.next('speakersChanged', (c) => c.speakers[0].sid === ada.sid && c.speakers[0].active);
        stop();
        ada.stream(127);
        const over = (c) => c.speakers[0].sid === ada.sid && !c.speakers[0].active;
        assert.equal((await bob.signal.next('speakersChanged', over)).speakers[0].level, 0);
        await quiet.settled();
        assert.deepEqual(quiet.all('speakersChanged'), [], 'who does not subscribe is not told');
        assert.ok(mic.sid);
        await bye(ada, bob, quiet);
    });

    test('connection quality: one hears of oneself and of whom one receives', async () => {
        const room = newRoom();
        const ada = await Peer.join(server, { room, identity: 'ada', publish: ['opus'] });
        const bob = await Peer.join(server, { room, identity: 'bob' });
        const eve = await Peer.join(server, { room, identity: 'eve', autoSubscribe: false });
        ada.stream();
        const seen = new Map();
        await until('quality of both', () => {
            for (const u of bob.signal.all('connectionQuality')) for (const q of u.updates) seen.set(q.participantSid, q);
            return seen.has(bob.sid) && seen.has(ada.sid);
        });
        for (const q of seen.values()) {
            assert.equal(q.quality, 2, 'excellent, on loopback');
            assert.ok(q.score > 4 && q.score <= 4.5, `${q.score}`);
        }
        assert.ok(!seen.has(eve.sid), 'nothing is received from eve');
        await bye(ada, bob, eve);
    });

    test('subscribed quality: what somebody wants is on, the rest is off', async () => {
        const room = newRoom();
        const ada = await Signal.join(server, { room, identity: 'ada' });
        const { video } = await publishBoth(ada);
        const bob = await Signal.join(server, { room, identity: 'bob', offer: joinOffer });
        const on = (u) => u.subscribedQualities.map((q) => q.enabled);
        const first = await ada.next('subscribedQualityUpdate');
        assert.equal(first.trackSid, video.sid);
        assert.deepEqual(on(first), [true, true, true]);
        assert.deepEqual(
            first.subscribedQualities.map((q) => q.quality),
            [0, 1, 2],
        );
        assert.equal(first.subscribedCodecs[0].codec, 'vp8');
        assert.deepEqual(on({ subscribedQualities: first.subscribedCodecs[0].qualities }), on(first));
        bob.send('trackSetting', { trackSids: [video.sid], width: 320, height: 180 });
        assert.deepEqual(on(await ada.next('subscribedQualityUpdate')), [true, false, false]);
        bob.send('trackSetting', { trackSids: [video.sid], quality: 1 });
        assert.deepEqual(on(await ada.next('subscribedQualityUpdate')), [true, true, false]);
        bob.send('trackSetting', { trackSids: [video.sid], disabled: true });
        assert.deepEqual(on(await ada.next('subscribedQualityUpdate')), [false, false, false]);
        await bye(ada, bob);
    });

    test('subscribed quality: without viewers all is off', async () => {
        const ada = await Signal.join(server, { room: newRoom(), identity: 'ada' });
        await publishBoth(ada);
        const u = await ada.next('subscribedQualityUpdate', undefined, 20000);
        assert.deepEqual(
            u.subscribedQualities.map((q) => q.enabled),
            [false, false, false],
        );
        await ada.leave();
    });
});

describe('simulate', () => {
    /** Somebody with media up, and a witness. */
    async function stage() {
        const room = newRoom();
        const ada = await Peer.join(server, { room, identity: 'ada', publish: ['opus'] });
        const bob = await Signal.join(server, { room, identity: 'bob' });
        return { room, ada, bob, again: { room, identity: 'ada', sid: ada.sid } };
    }
    const simulate = (p, scenario, value) => p.signal.send('simulate', { scenario: { case: scenario, value } });

    test('speaker_update', async () => {
        const { ada, bob } = await stage();
        simulate(ada, 'speakerUpdate', 1);
        const s = (await ada.signal.next('speakersChanged', (c) => c.speakers[0].active)).speakers[0];
        assert.deepEqual([s.sid, s.level], [ada.sid, 1]);
        await ada.signal.next('speakersChanged', (c) => !c.speakers[0].active);
        await bye(ada, bob);
    });

    test('node_failure: the socket breaks, a resume is told to start over', async () => {
        const { ada, bob, again } = await stage();
        simulate(ada, 'nodeFailure', true);
        const { code } = await ada.signal.closed;
        assert.notEqual(code, 1000);
        assert.deepEqual(ada.signal.all('leave'), [], 'no goodbye');
        const s = await Signal.resume(server, again);
        assert.equal(s.first1.case, 'leave');
        assert.equal(s.first1.value.action, 2, 'reconnect');
        await s.closed;
        ada.close();
        await bye(bob);
    });

    test('migration: asked to resume, and the resume goes on', async () => {
        const { ada, bob, again } = await stage();
        simulate(ada, 'migration', true);
        const l = await ada.signal.next('leave');
        assert.equal(l.action, 1, 'resume');
        await ada.signal.closed;
        const s = await Signal.resume(server, again);
        assert.equal(s.first1.case, 'reconnect');
        ada.adopt(s);
        await bye(ada, bob);
    });

    test('server_leave', async () => {
        const { ada, bob } = await stage();
        simulate(ada, 'serverLeave', true);
        const l = await ada.signal.next('leave');
        assert.deepEqual([l.reason, l.action, l.canReconnect], [3, 0, false]);
        await ada.signal.closed;
        ada.close();
        await bob.knows('ada', (p) => p.state === 3);
        await bye(bob);
    });

    test('leave_request_full_reconnect', async () => {
        const { ada, bob } = await stage();
        simulate(ada, 'leaveRequestFullReconnect', true);
        const l = await ada.signal.next('leave');
        assert.deepEqual([l.action, l.canReconnect], [2, true]);
        await ada.signal.closed;
        ada.close();
        await bye(bob);
    });

    test('disconnect_signal_on_resume: once, after the first message', async () => {
        const { ada, bob, again } = await stage();
        simulate(ada, 'disconnectSignalOnResume', true);
        await ada.signal.settled();
        await ada.signal.drop();
        const broken = await Signal.resume(server, again);
        assert.equal(broken.first1.case, 'reconnect');
        assert.notEqual((await broken.closed).code, 1000);
        const s = await Signal.resume(server, again);
        assert.equal(s.first1.case, 'reconnect');
        await s.settled();
        ada.adopt(s);
        await bye(ada, bob);
    });

    test('disconnect_signal_on_resume_no_messages: three times, before any message', async () => {
        const { ada, bob, again } = await stage();
        simulate(ada, 'disconnectSignalOnResumeNoMessages', true);
        await ada.signal.settled();
        await ada.signal.drop();
        for (let i = 0; i < 3; i++) {
            const broken = await Signal.open(server, await Signal.joinPath({ ...again, reconnect: true }));
            await broken.closed;
            assert.deepEqual(broken.messages, []);
        }
        const s = await Signal.resume(server, again);
        assert.equal(s.first1.case, 'reconnect');
        ada.adopt(s);
        await bye(ada, bob);
    });

    test('what the client does by itself', async () => {
        const { ada, bob } = await stage();
        simulate(ada, 'switchCandidateProtocol', 1);
        simulate(ada, 'subscriberBandwidth', 100000n);
        await ada.signal.settled();
        assert.deepEqual(ada.signal.all('leave'), []);
        await bye(ada, bob);
    });
});

describe('ends', () => {
    test('the same identity again: the old one is told to go before the new one is in', async () => {
        const room = newRoom();
        const bob = await Signal.join(server, { room, identity: 'bob' });
        const old = await Signal.join(server, { room, identity: 'bobby', info: { protocol: 11 } });
        const first = await Signal.join(server, { room, identity: 'ada' });
        const second = await Signal.join(server, { room, identity: 'ada' });
        const l = await first.next('leave');
        assert.deepEqual([l.reason, l.action], [2, 0]);
        await first.closed;
        assert.deepEqual(second.join.otherParticipants.map((p) => p.identity).sort(), ['bob', 'bobby']);
        await bob.knows('ada', (p) => p.sid === second.sid);
        await bob.settled();
        const states = (s) =>
            s
                .all('update')
                .flatMap((u) => u.participants)
                .filter((p) => p.identity === 'ada')
                .map((p) => [p.sid === first.sid ? 'first' : 'second', p.state]);
        assert.ok(!states(bob).some(([, state]) => state === 3), 'newer clients are not told that ada left');
        const story = states(old);
        assert.ok(
            story.findIndex(([who, state]) => who === 'first' && state === 3) <
                story.findIndex(([who]) => who === 'second'),
            'older ones are, and first',
        );
        await bye(second, bob, old);
    });

    test('a full room', async () => {
        const room = newRoom();
        const jwt = rawToken({ sub: 'ada', video: { roomJoin: true, room }, roomConfig: { maxParticipants: 2 } });
        const ada = await Signal.join(server, { jwt });
        assert.equal(ada.join.room.maxParticipants, 2);
        const bob = await Signal.join(server, { room, identity: 'bob' });
        const path = await Signal.joinPath({ room, identity: 'eve' });
        const r = await refusal(server, path);
        assert.deepEqual([r.status, r.text], [403, 'the room is full']);
        const v = await fetch(server.http + path.replace('/rtc/v1', '/rtc/v1/validate'));
        assert.deepEqual([v.status, await v.text()], [403, 'the room is full']);
        const hidden = await Signal.join(server, { room, identity: 'hidden', grants: { hidden: true } });
        const again = await Signal.join(server, { room, identity: 'bob' });
        await bob.closed;
        await bye(ada, again, hidden);
    });

    test('a socket that goes before media came takes its participant with it', async () => {
        const { ada, bob } = await pair();
        await bob.drop();
        const gone = await ada.knows('bob', (p) => p.state === 3);
        assert.equal(gone.disconnectReason, 9, 'signal close');
        await ada.leave();
    });

    test('leave with a reason of the client', async () => {
        const { ada, bob } = await pair();
        bob.send('leave', { reason: 12 });
        assert.equal((await bob.closed).code, 1000);
        const gone = await ada.knows('bob', (p) => p.state === 3);
        assert.equal(gone.disconnectReason, 12, 'user rejected');
        assert.equal(gone.sid, bob.sid);
        await ada.leave();
    });

    test('nobody connects, nobody stays: timeouts', async () => {
        const set = (o) => Object.entries(o).flatMap(([k, v]) => ['--set', `${k}=${v}`]);
        const hasty = await Server.start({
            args: set({ 'rtc.connect_timeout_s': 1, 'room.empty_timeout_s': 1, 'room.departure_timeout_s': 1 }),
        });
        const { code } = await hasty.createRoom();
        const status = async () => (await fetch(`${hasty.http}/api/rooms/${code}`)).status;
        assert.equal(await status(), 200);
        await until('the room that nobody entered closes', async () => (await status()) === 404);
        const s = await Signal.join(hasty, { room: 'r', identity: 'ada' });
        const l = await s.next('leave');
        assert.deepEqual([l.reason, l.action], [7, 0], 'join failure');
        await s.closed;
        await until('the room closes', () => hasty.log.includes('room.finished room=r '));
        assert.equal((await hasty.stop()).code, 0);
    });

    test('the server stops: everyone is told', async () => {
        const other = await Server.start();
        const people = [];
        for (const text of [false, true]) {
            const s = await Signal.join(other, { room: 'r', identity: `p${text}`, text });
            await s.settled();
            people.push(s);
        }
        const took = stopwatch();
        const stopped = other.stop();
        for (const s of people) {
            const l = await s.next('leave');
            assert.deepEqual([l.reason, l.action], [3, 0], 'server shutdown');
            await s.closed;
        }
        assert.equal((await stopped).code, 0, other.log);
        assert.ok(took() < 3000 * slow, `${took()} ms`);
    });
});

test('every message that a server of this size sends was seen', () => {
    const wanted =
        'join answer offer update trackPublished leave speakersChanged roomUpdate connectionQuality subscribedQualityUpdate ' +
        'subscriptionPermissionUpdate refreshToken reconnect pongResp subscriptionResponse requestResponse trackSubscribed ' +
        'mediaSectionsRequirement';
    for (const kind of wanted.split(' ')) assert.ok(Signal.seen.has(kind), kind);
});
