// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-3.0-or-later
const crypto = require('crypto');

const key = Buffer.alloc(32), iv = Buffer.alloc(12);

for (let i = 0; i < 100; i++) crypto.createHash('sha256').update('x' + i).digest();
for (let i = 0; i < 30; i++) crypto.createHmac('sha512', 'key').update('x' + i).digest();
for (let i = 0; i < 50; i++) {
  const cipher = crypto.createCipheriv('aes-256-gcm', key, iv);
  cipher.update('x');
  cipher.final();
}
console.log(process.versions.openssl);
