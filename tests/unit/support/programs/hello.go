// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// A program without cryptography.
package main

import "os"

func main() {
	os.Stdout.WriteString("hello\n")
}
