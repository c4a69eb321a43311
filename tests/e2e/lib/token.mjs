// Tokens that the SDK would not make.
import { createHmac } from 'node:crypto';

const part = (o) => Buffer.from(typeof o === 'string' ? o : JSON.stringify(o)).toString('base64url');

/** A token of these very claims; alg names what is written in its header and how it is signed. */
export function rawToken(claims, { alg = 'HS256', key = 'devkey', secret = 'secret', header = {} } = {}) {
    const now = Math.floor(Date.now() / 1000);
    const body = { iss: key, sub: 'somebody', nbf: now - 5, exp: now + 600, ...claims };
    for (const name of Object.keys(body)) if (body[name] === undefined) delete body[name];
    const text = `${part({ alg, typ: 'JWT', ...header })}.${part(body)}`;
    if (alg === 'none') return `${text}.`;
    const hash = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' }[alg];
    return `${text}.${createHmac(hash, secret).update(text).digest('base64url')}`;
}

/** The claims inside. */
export function claimsOf(token) {
    return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
}
