// timeout: 300
// Two ways to the server: browsers with several host addresses, a path that stops carrying UDP in the middle of
// a call, an address that goes away, and no UDP at all (ICE-TCP).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openChromium, openFirefox } from './lib/browsers.mjs';
import { Person } from './lib/call.mjs';
import { TwoPaths } from './lib/netns.mjs';
import { Server, until } from './lib/server.mjs';

const host = '10.213.1.2';
const root = process.getuid() === 0;
const skip = root ? false : 'needs root for network namespaces';
let net, server, chromium, firefox, room;

before(async () => {
    if (!root) return;
    net = TwoPaths.open();
    server = await Server.start({ wrap: net.wrap, host, args: ['--log-level', 'debug'] });
    [chromium, firefox] = await Promise.all([
        openChromium([`--unsafely-treat-insecure-origin-as-secure=http://${host}:${server.port}`]),
        openFirefox({ 'media.devices.insecure.enabled': true, 'media.getusermedia.insecure.enabled': true }),
    ]);
});

after(async () => {
    await Promise.all([chromium?.close(), firefox?.close()]);
    await server?.stop();
    if (process.env.SERVER_LOG) console.log(server?.log);
    net?.close();
});

/** The pair that media takes, as the browser sees it. */
function pair(person) {
    return person.page.evaluate(async () => {
        const pc = window.fanlight.room.engine.pcManager.publisher;
        const stats = [...(await pc.getStats()).values()];
        const by = Object.fromEntries(stats.map((s) => [s.id, s]));
        const transport = stats.find((s) => s.type === 'transport' && s.selectedCandidatePairId);
        const p = transport
            ? by[transport.selectedCandidatePairId]
            : stats.find((s) => s.type === 'candidate-pair' && s.selected);
        const local = by[p?.localCandidateId];
        const remote = by[p?.remoteCandidateId];
        return p && { local: local?.address, remote: remote?.address, protocol: remote?.protocol, state: p.state };
    });
}

async function everyoneSeesEveryone(people) {
    for (const a of people)
        for (const b of people)
            if (a !== b) {
                await a.sees(b.name);
                await a.hears(b.name);
            }
}

async function join() {
    room = await server.createRoom();
    return [
        await Person.join(chromium, server, room, 'Cora'),
        await Person.join(firefox, server, room, 'Finn'),
    ];
}

async function leave(people) {
    for (const p of people) await p.page.close();
}

test('browsers with several host addresses', { skip }, async () => {
    const people = await join();
    await everyoneSeesEveryone(people);
    for (const p of people) {
        const used = await until(`the pair of ${p.name}`, () => pair(p));
        assert.match(used.remote, /^10\.213\.[12]\.2$/, `${p.name} uses ${JSON.stringify(used)}`);
        assert.equal(used.protocol, 'udp');
    }
    await leave(people);
});

test('the path in use stops carrying UDP; the call goes on over the other', { skip }, async () => {
    const people = await join();
    await everyoneSeesEveryone(people);
    const used = await until('the pair of Finn', () => pair(people[1]));
    net.blockUdp(Number(used.remote.split('.')[2]));
    try {
        for (const p of people) {
            const other = people.find((o) => o !== p);
            const free = (q) => q && (q.remote !== used.remote || q.protocol === 'tcp'); // TCP is not blocked there
            await until(
                `${p.name} left the blocked path`,
                async () => free(await pair(p)) && (await p.received())[other.name]?.camera,
                60000,
            );
        }
        await everyoneSeesEveryone(people);
    } finally {
        net.unblock();
    }
    await leave(people);
});

test('the address of the clients changes: socket and media come back', { skip }, async () => {
    const people = await join();
    await everyoneSeesEveryone(people);
    const sids = await Promise.all(people.map((p) => p.page.evaluate(() => window.fanlight.room.localParticipant.sid)));
    net.moveClients();
    try {
        for (const p of people)
            await until(
                `${p.name} is back`,
                async () => /\.9$/.test((await pair(p))?.local ?? '') && (await p.connected()),
                60000,
            );
        await everyoneSeesEveryone(people);
    } finally {
        net.moveClientsBack();
    }
    const now = await Promise.all(people.map((p) => p.page.evaluate(() => window.fanlight.room.localParticipant.sid)));
    assert.deepEqual(now, sids, 'everyone is the participant they were');
    await leave(people);
});

test('no UDP at all: ICE-TCP', { skip }, async () => {
    net.blockUdp(0);
    try {
        const people = await join();
        await everyoneSeesEveryone(people);
        for (const p of people) {
            const used = await until(`the pair of ${p.name}`, () => pair(p));
            assert.equal(used.protocol, 'tcp', `${p.name} uses ${JSON.stringify(used)}`);
        }
        await leave(people);
    } finally {
        net.unblock();
    }
});
