// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// A TLS server or client of Go's crypto/tls; the argument is JSON, as base.py makes it.
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"
)

type order struct {
	Role, Address, Version, Group, Sni, Certificate, Key string
	Port                                                 int
	Alpn                                                 []string
	Resume                                               bool
}

var versions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

var groups = map[string]tls.CurveID{"secp256r1": tls.CurveP256, "secp384r1": tls.CurveP384, "x25519": tls.X25519, "X25519MLKEM768": tls.X25519MLKEM768}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func say(role string, state tls.ConnectionState) {
	group := ""
	if state.CurveID != 0 {
		group = state.CurveID.String()
	}
	text, err := json.Marshal(map[string]any{
		"role": role, "pid": os.Getpid(), "version": tls.VersionName(state.Version), "cipher_suite": tls.CipherSuiteName(state.CipherSuite), "group": group,
		"sni": state.ServerName, "alpn": state.NegotiatedProtocol, "resumed": state.DidResume, "hello_retry": state.HelloRetryRequest,
	})
	must(err)
	fmt.Printf("said %s\n", text)
}

func serve(wanted order) {
	certificate, err := tls.LoadX509KeyPair(wanted.Certificate, wanted.Key)
	must(err)
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: wanted.Alpn}
	if wanted.Group != "" {
		config.CurvePreferences = []tls.CurveID{groups[wanted.Group]}
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(wanted.Address, "0"))
	must(err)
	fmt.Printf("port %d\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		plain, err := listener.Accept()
		must(err)
		connection := tls.Server(plain, config)
		if err := connection.Handshake(); err != nil {
			fmt.Println("failed", err)
		} else {
			say("server", connection.ConnectionState())
			connection.Read(make([]byte, 100))
			connection.Write([]byte("bye"))
		}
		connection.Close()
	}
}

func connect(wanted order) {
	config := &tls.Config{
		ServerName: wanted.Sni, InsecureSkipVerify: true, NextProtos: wanted.Alpn, MinVersion: versions[wanted.Version], MaxVersion: versions[wanted.Version],
	}
	if wanted.Group != "" {
		config.CurvePreferences = []tls.CurveID{groups[wanted.Group]}
	}
	times := 1
	if wanted.Resume {
		times, config.ClientSessionCache = 2, tls.NewLRUClientSessionCache(1)
	}
	for ; times > 0; times-- {
		connection, err := tls.Dial("tcp", net.JoinHostPort(wanted.Address, fmt.Sprint(wanted.Port)), config)
		must(err)
		connection.Write([]byte("hello\n"))
		connection.SetReadDeadline(time.Now().Add(500 * time.Millisecond)) // openssl s_server answers nothing
		connection.Read(make([]byte, 100))
		say("client", connection.ConnectionState())
		connection.Close()
	}
}

func main() {
	var wanted order
	must(json.Unmarshal([]byte(os.Args[1]), &wanted))
	if wanted.Role == "server" {
		serve(wanted)
	} else {
		connect(wanted)
	}
}
