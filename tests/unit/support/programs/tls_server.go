// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// A TLS server: address, certificate, key. It keeps every connection open.
package main

import (
	"crypto/tls"
	"log"
	"net"
	"os"
)

func main() {
	pair, err := tls.LoadX509KeyPair(os.Args[2], os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := tls.Listen("tcp", os.Args[1], &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.WriteString("listening\n")
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func(connection net.Conn) {
			connection.(*tls.Conn).Handshake()
			connection.Read(make([]byte, 1))
		}(connection)
	}
}
