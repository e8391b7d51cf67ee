// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-3.0-or-later
import java.security.Provider;
import java.security.Security;

/** What a virtual machine says of itself; with an argument it then waits for the end of its input. */
public class Providers {
    public static void main(String[] arguments) throws java.io.IOException {
        System.out.println("version " + System.getProperty("java.version"));
        System.out.println("vendor " + System.getProperty("java.vendor"));
        for (Provider provider : Security.getProviders()) {
            System.out.println("provider " + provider.getName());
        }
        System.out.println("disabled " + Security.getProperty("jdk.tls.disabledAlgorithms"));
        if (arguments.length > 0) {
            System.in.read();
        }
    }
}
