// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-3.0-or-later

import java.io.FileInputStream;
import java.io.InputStream;
import java.net.InetAddress;
import java.security.KeyStore;
import java.util.List;
import javax.net.ssl.ExtendedSSLSession;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SNIServerName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import java.security.cert.X509Certificate;

/** A TLS server or client of JSSE. Arguments: server ADDRESS KEYSTORE ALPN, or client ADDRESS PORT VERSION GROUP SNI ALPN TIMES; "" is none. */
public final class TlsPeer {
    private static final class Anybody implements X509TrustManager {
        public void checkClientTrusted(X509Certificate[] chain, String type) {}
        public void checkServerTrusted(X509Certificate[] chain, String type) {}
        public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }

    private static void say(String role, SSLSocket socket, String sni) {
        System.out.println(String.format(
            "said {\"role\": \"%s\", \"pid\": %d, \"version\": \"%s\", \"cipher_suite\": \"%s\", \"sni\": %s, \"alpn\": \"%s\"}",
            role, ProcessHandle.current().pid(), socket.getSession().getProtocol(), socket.getSession().getCipherSuite(),
            sni == null ? "null" : "\"" + sni + "\"", socket.getApplicationProtocol()));
    }

    private static void serve(String[] arguments) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream file = new FileInputStream(arguments[2])) {
            store.load(file, "changeit".toCharArray());
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(store, "changeit".toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(0, 16, InetAddress.getByName(arguments[1]));
        SSLParameters parameters = listener.getSSLParameters();
        parameters.setApplicationProtocols(new String[] {arguments[3]});
        listener.setSSLParameters(parameters);
        System.out.println("port " + listener.getLocalPort());
        while (true) {
            try (SSLSocket socket = (SSLSocket) listener.accept()) {
                socket.startHandshake();
                List<SNIServerName> names = ((ExtendedSSLSession) socket.getSession()).getRequestedServerNames();
                say("server", socket, names.isEmpty() ? null : ((SNIHostName) names.get(0)).getAsciiName());
                socket.getInputStream().read(new byte[100]);
                socket.getOutputStream().write("bye".getBytes());
            } catch (java.io.IOException error) {
                System.out.println("failed " + error);
            }
        }
    }

    private static void connect(String[] arguments) throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new Anybody()}, null);
        for (int times = Integer.parseInt(arguments[7]); times > 0; times--) {
            try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(InetAddress.getByName(arguments[1]), Integer.parseInt(arguments[2]))) {
                SSLParameters parameters = socket.getSSLParameters();
                parameters.setProtocols(new String[] {arguments[3]});
                parameters.setServerNames(List.of(new SNIHostName(arguments[5])));
                if (!arguments[6].isEmpty()) {
                    parameters.setApplicationProtocols(arguments[6].split(","));
                }
                socket.setSSLParameters(parameters);
                socket.startHandshake();
                socket.getOutputStream().write("hello\n".getBytes());
                socket.setSoTimeout(500);
                try {
                    socket.getInputStream().read(new byte[100]);
                } catch (java.net.SocketTimeoutException silent) {
                    // openssl s_server answers nothing
                }
                say("client", socket, arguments[5]);
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("server")) {
            serve(arguments);
        } else {
            connect(arguments);
        }
    }
}
