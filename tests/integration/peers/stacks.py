# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All stacks of TLS over TCP."""

from __future__ import annotations

from .gnutls import Gnutls
from .go import Go
from .java import Java
from .nginx_curl import NginxCurl
from .node import Node
from .openssl import Openssl
from .postgresql import Postgresql
from .pyopenssl import PyOpenssl
from .python_ssl import PythonSsl
from .smtp import Smtp

TLS_STACKS = (Openssl(), NginxCurl(), PythonSsl(), Gnutls(), Java(), Go(), Node(), PyOpenssl(), Postgresql(), Smtp())
