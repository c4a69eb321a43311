// Crowds, and requests that are meant to cost the server time.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { UpdateSubscription, SubscriptionPermission, TrackPermission, UpdateTrackSettings } from '@livekit/protocol';
import { Server } from './lib/server.mjs';
import { Signal } from './lib/signal.mjs';

const LIMIT_EXCEEDED = 3; // RequestResponse.Reason
const NAMES_MAX = 4096;

let server;

before(async () => {
    server = await Server.start({ args: ['--set', 'rtc.connect_timeout_s=120'] });
});

after(async () => {
    assert.equal((await server.stop()).code, 0, server.log);
});

test('a crowd: everyone hears of everyone, in as many messages as it takes', async () => {
    const crowd = 150, first = 60;
    const all = [];
    const join = async (i) => all.push(await Signal.join(server, { room: 'crowd', identity: `p${i}`, text: i % 3 === 0 }));
    for (let i = 0; i < first; i++) await join(i);
    await Promise.all(Array.from({ length: crowd - first }, (_, i) => join(first + i)));
    assert.equal(all.length, crowd);
    for (const s of all) for (let i = 0; i < crowd; i++) await s.knows(`p${i}`, (p) => p);
    for (const s of all) s.ws.close();
});

test('a request that names too much is refused, and its sender stays', async () => {
    const s = await Signal.join(server, { room: 'names', identity: 'ada' });
    const many = (n) => Array.from({ length: n }, () => 'x');
    const requests = [
        ['subscription', (n) => new UpdateSubscription({ trackSids: many(n), subscribe: true })],
        ['subscription', (n) => new UpdateSubscription({ participantTracks: [{ participantSid: 'PA_x', trackSids: many(n) }] })],
        ['trackSetting', (n) => new UpdateTrackSettings({ trackSids: many(n), disabled: true })],
        ['subscriptionPermission', (n) => new SubscriptionPermission({ trackPermissions: many(n).map((x) => new TrackPermission({ participantIdentity: x })) })],
        ['subscriptionPermission', (n) => new SubscriptionPermission({ trackPermissions: [{ participantIdentity: 'x', trackSids: many(n - 1) }] })],
        ['syncState', (n) => ({ trackSidsDisabled: many(n) })],
    ];
    for (const [kind, make] of requests) {
        s.send(kind, make(NAMES_MAX));
        s.send('pingReq', { timestamp: 1n });
        await s.next('pongResp');
        assert.equal(s.all('requestResponse').length, 0, kind);
    }
    for (const [kind, make] of requests) {
        s.send(kind, make(NAMES_MAX + 1));
        assert.equal((await s.next('requestResponse')).reason, LIMIT_EXCEEDED, kind);
    }
    s.ws.close();
});
