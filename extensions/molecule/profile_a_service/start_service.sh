#!/usr/bin/env bash
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Start a TLS server of the name web.test, and print its certificate.
set -euo pipefail

mkdir -p /tmp/site
cd /tmp/site
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=web.test -addext subjectAltName=DNS:web.test -keyout site.key -out site.crt 2>errors ||
  { cat errors >&2; exit 1; }
cat >nginx.conf <<'END'
pid /tmp/site/nginx.pid;
error_log /tmp/site/error.log;
worker_processes 1;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path /tmp/site; proxy_temp_path /tmp/site; fastcgi_temp_path /tmp/site; uwsgi_temp_path /tmp/site; scgi_temp_path /tmp/site;
    server {
        listen 443 ssl;
        ssl_certificate /tmp/site/site.crt;
        ssl_certificate_key /tmp/site/site.key;
        return 200 "hello";
    }
}
END
/usr/sbin/nginx -e /tmp/site/error.log -c /tmp/site/nginx.conf >&2
cat site.crt
