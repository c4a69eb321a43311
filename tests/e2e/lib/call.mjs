// A person in a call through the web client: what they do, and what they see and hear.
import { until } from './server.mjs';

export const id = (name) => `[data-testid="${name}"]`;

export class Person {
    /** Opens the room's page; joined when the call is up. */
    static async join(browser, server, room, name, query = '') {
        const person = new Person();
        person.name = name;
        person.page = await browser.page();
        person.errors = [];
        person.page.on('pageerror', (e) => person.errors.push(e.message));
        await person.page.goto(`${server.http}${room.link}?name=${encodeURIComponent(name)}&auto=1${query}`);
        await person.connected();
        return person;
    }

    /** Takes over a page that has joined by hand. */
    static async of(page, name) {
        const person = new Person();
        person.name = name;
        person.page = page;
        person.errors = [];
        await person.connected();
        return person;
    }

    connected() {
        return until(
            `${this.name} is in the call`,
            () => this.page.evaluate(() => window.fanlight?.room?.state === 'connected'),
            30000, // the first page of a browser on a busy machine
        );
    }

    /** Waits until that many tracks are published, and others can be given them. */
    publishes(n = 2) {
        return until(`${this.name} publishes`, () =>
            this.page.evaluate((many) => {
                const all = [...window.fanlight.room.localParticipant.trackPublications.values()];
                return all.filter((p) => p.trackSid).length === many;
            }, n),
        );
    }

    /** What is received of each other participant: {name: {camera: stats, microphone: stats, ...}}. */
    received() {
        return this.page.evaluate(async () => {
            const out = {};
            for (const p of window.fanlight.room.remoteParticipants.values()) {
                const mine = (out[p.name] = { muted: {} });
                for (const pub of p.trackPublications.values()) {
                    mine.muted[pub.source] = pub.isMuted;
                    const report = pub.track && (await pub.track.getRTCStatsReport());
                    for (const s of report?.values() ?? [])
                        if (s.type === 'inbound-rtp')
                            mine[pub.source] = {
                                frames: s.framesDecoded,
                                width: s.frameWidth,
                                packets: s.packetsReceived,
                                lost: s.packetsLost,
                                energy: s.totalAudioEnergy,
                                freezes: s.freezeCount,
                                keys: s.keyFramesDecoded,
                            };
                }
            }
            return out;
        });
    }

    /** Waits until frames of that source of somebody's are decoded, `more` of them from now on. */
    async sees(name, source = 'camera', more = 10) {
        const frames = async () => (await this.received())[name]?.[source]?.frames ?? -1;
        const before = Math.max(0, await frames());
        try {
            return await until(`${this.name} sees ${source} of ${name}`, async () => (await frames()) >= before + more, 20000);
        } catch (e) {
            throw new Error(`${e.message}\nreceived: ${JSON.stringify(await this.received())}`);
        }
    }

    async hears(name, source = 'microphone') {
        const energy = async () => (await this.received())[name]?.[source]?.energy ?? -1;
        const before = Math.max(0, await energy());
        return until(`${this.name} hears ${name}`, async () => (await energy()) > before + 1e-4, 20000);
    }

    /** Mean colour of the picture shown in somebody's tile, [r, g, b], and how much it varies. */
    picture(name, source = 'camera') {
        return this.page.evaluate(
            ([who, what]) => {
                const tiles = [...document.querySelectorAll('[data-testid="tile"]')];
                const room = window.fanlight.room;
                const all = [room.localParticipant, ...room.remoteParticipants.values()];
                const identity = all.find((p) => p.name === who)?.identity;
                const tile = tiles.find((t) => t.dataset.identity === identity && t.dataset.source === what);
                const video = tile?.querySelector('video');
                if (!video?.videoWidth) return null;
                const canvas = document.createElement('canvas');
                canvas.width = 64;
                canvas.height = 48;
                const c = canvas.getContext('2d');
                c.drawImage(video, 0, 0, 64, 48);
                const d = c.getImageData(0, 0, 64, 48).data;
                const sum = [0, 0, 0];
                for (let i = 0; i < d.length; i += 4) for (let k = 0; k < 3; k++) sum[k] += d[i + k];
                return sum.map((v) => Math.round(v / (64 * 48)));
            },
            [name, source],
        );
    }

    async click(testid) {
        await this.page.waitForSelector(id(testid));
        await this.page.click(id(testid));
    }

    tile(name, source = 'camera') {
        return this.page.evaluate(
            ([who, what]) => {
                const room = window.fanlight.room;
                const all = [room.localParticipant, ...room.remoteParticipants.values()];
                const identity = all.find((p) => p.name === who)?.identity;
                const tiles = [...document.querySelectorAll('[data-testid="tile"]')];
                const tile = tiles.find((t) => t.dataset.identity === identity && t.dataset.source === what);
                return tile ? { ...tile.dataset } : null;
            },
            [name, source],
        );
    }
}
