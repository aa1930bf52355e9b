package dev.pogw.receipt;

import static dev.pogw.receipt.Values.list;
import static dev.pogw.receipt.Values.object;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECFieldFp;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.EdECPoint;
import java.security.spec.EdECPublicKeySpec;
import java.security.spec.NamedParameterSpec;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The public keys of one verifier, by their RFC 7638 thumbprints. */
public final class Jwks {
    private static final int MAX_BYTES = 128 * 1024;
    private static final int MAX_KEYS = 256;

    /** An algorithm follows from the type and curve of a key. {@code jca} is its name to the JDK. */
    private record Algorithm(String name, String kty, String crv, int size, String curve, String jca) {}

    private static final List<Algorithm> ALGORITHMS = List.of(
            new Algorithm("ES384", "EC", "P-384", 48, "secp384r1", "SHA384withECDSAinP1363Format"),
            new Algorithm("ES256", "EC", "P-256", 32, "secp256r1", "SHA256withECDSAinP1363Format"),
            new Algorithm("Ed25519", "OKP", "Ed25519", 32, null, "Ed25519"));

    /** A key in the set; {@code retiredAt} is when it signed for the last time, null while it signs. */
    record Key(String kid, String algorithm, String jca, int signatureBytes, PublicKey key, Long retiredAt) {
        /** Whether the signature is one of this key; r and s side by side, never DER. */
        boolean hasSigned(String input, byte[] signature) {
            if (signature.length != signatureBytes) {
                return false;
            }
            try {
                Signature verifier = Signature.getInstance(jca);
                verifier.initVerify(key);
                verifier.update(input.getBytes(StandardCharsets.US_ASCII));
                return verifier.verify(signature);
            } catch (GeneralSecurityException error) {
                return false;
            }
        }
    }

    private final Map<String, Key> keys;

    private Jwks(Map<String, Key> keys) {
        this.keys = keys;
    }

    /** A set somebody published. Keys for something else are passed over; a defective one of ours refuses the set. */
    public static Jwks parse(String text) throws Rejected {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (bytes.length > MAX_BYTES) {
            throw new Rejected("jwks_too_large", "key set: expected at most %d bytes, got %d", MAX_BYTES, bytes.length);
        }
        Object listed = Json.readObject(bytes).get("keys");
        if (!(listed instanceof List) || !list(listed).stream().allMatch(Map.class::isInstance)) {
            throw new Rejected("jwks_keys_malformed", "keys is not an array of objects");
        }
        if (list(listed).size() > MAX_KEYS) {
            throw new Rejected("jwks_too_many_keys", "key set: expected at most %d keys", MAX_KEYS);
        }
        Map<String, Key> keys = new LinkedHashMap<>();
        for (Object members : list(listed)) {
            Algorithm algorithm = algorithmIfOurs(object(members));
            Key key = algorithm == null ? null : read(algorithm, object(members));
            if (key != null && keys.put(key.kid(), key) != null) {
                throw new Rejected("jwks_key_duplicate", "key %s occurs twice", key.kid());
            }
        }
        if (keys.isEmpty()) {
            throw new Rejected("jwks_no_usable_key", "no usable key");
        }
        return new Jwks(keys);
    }

    Key find(String kid) {
        return keys.get(kid);
    }

    /** A key with a certificate is for other tokens of the same issuer; so is one of another use. */
    private static Algorithm algorithmIfOurs(Map<String, Object> members) {
        if (!"sig".equals(members.getOrDefault("use", "sig")) || members.containsKey("x5c")) {
            return null;
        }
        return ALGORITHMS.stream()
                .filter(one -> one.kty().equals(members.get("kty")) && one.crv().equals(members.get("crv")))
                .findFirst()
                .orElse(null);
    }

    private static Key read(Algorithm algorithm, Map<String, Object> members) throws Rejected {
        if (members.containsKey("d")) {
            throw new Rejected("jwk_private_key_published", "member d: the private key is published");
        }
        String stated = text(members, "alg");
        if (!stated.equals(algorithm.name())) {
            throw new Rejected("jwk_algorithm_mismatch", "alg: expected %s, got %s", algorithm.name(),
                    Rejected.excerpt(stated));
        }
        byte[] x = coordinate(members, "x", algorithm.size());
        byte[] y = algorithm.curve() == null ? null : coordinate(members, "y", algorithm.size());
        PublicKey key = publicKey(algorithm, x, y);
        String kid = text(members, "kid");
        String thumbprint = thumbprint(algorithm, x, y);
        if (!kid.equals(thumbprint)) {
            throw new Rejected("jwk_kid_mismatch", "kid: expected %s, got %s", thumbprint, Rejected.excerpt(kid));
        }
        return new Key(kid, algorithm.name(), algorithm.jca(), 2 * algorithm.size(), key, retirement(members));
    }

    private static String text(Map<String, Object> members, String name) throws Rejected {
        if (members.get(name) instanceof String text) {
            return text;
        }
        throw new Rejected("jwk_member_missing", "member %s is missing or not a string", name);
    }

    private static byte[] coordinate(Map<String, Object> members, String name, int size) throws Rejected {
        byte[] bytes = Values.fromBase64url(text(members, name));
        if (bytes == null || bytes.length != size) {
            throw new Rejected("jwk_coordinate_malformed", "member %s: expected base64url of %d bytes", name, size);
        }
        return bytes;
    }

    private static Long retirement(Map<String, Object> members) throws Rejected {
        if (!members.containsKey("exp")) {
            return null;
        }
        if (members.get("exp") instanceof Long exp && exp >= 0) {
            return exp;
        }
        throw new Rejected("jwk_retirement_malformed", "exp: expected seconds since the Unix epoch");
    }

    private static PublicKey publicKey(Algorithm algorithm, byte[] x, byte[] y) throws Rejected {
        try {
            return y == null ? edwards(x) : weierstrass(algorithm, new BigInteger(1, x), new BigInteger(1, y));
        } catch (GeneralSecurityException error) {
            throw new Rejected("jwk_point_invalid", "not a public key of %s", algorithm.name());
        }
    }

    private static PublicKey weierstrass(Algorithm algorithm, BigInteger x, BigInteger y)
            throws GeneralSecurityException, Rejected {
        AlgorithmParameters named = AlgorithmParameters.getInstance("EC");
        named.init(new ECGenParameterSpec(algorithm.curve()));
        ECParameterSpec curve = named.getParameterSpec(ECParameterSpec.class);
        // The JDK does not look.
        BigInteger p = ((ECFieldFp) curve.getCurve().getField()).getP();
        BigInteger right = x.modPow(BigInteger.valueOf(3), p).add(curve.getCurve().getA().multiply(x))
                .add(curve.getCurve().getB()).mod(p);
        if (x.compareTo(p) >= 0 || y.compareTo(p) >= 0 || !y.multiply(y).mod(p).equals(right)) {
            throw new Rejected("jwk_point_invalid", "not a public key of %s", algorithm.name());
        }
        return KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(new ECPoint(x, y), curve));
    }

    /** RFC 8032 section 5.1.2: y in little-endian order, the highest bit is that of x. */
    private static PublicKey edwards(byte[] encoded) throws GeneralSecurityException {
        byte[] y = new byte[encoded.length];
        for (int i = 0; i < y.length; i++) {
            y[i] = encoded[encoded.length - 1 - i];
        }
        boolean isXOdd = (y[0] & 0x80) != 0;
        y[0] &= 0x7f;
        EdECPoint point = new EdECPoint(isXOdd, new BigInteger(1, y));
        return KeyFactory.getInstance("Ed25519").generatePublic(new EdECPublicKeySpec(NamedParameterSpec.ED25519, point));
    }

    /** RFC 7638 section 3: members in the order of their names, no white space. */
    private static String thumbprint(Algorithm algorithm, byte[] x, byte[] y) {
        String canonical = String.format("{\"crv\":\"%s\",\"kty\":\"%s\",\"x\":\"%s\"", algorithm.crv(), algorithm.kty(),
                Values.toBase64url(x));
        canonical += y == null ? "}" : ",\"y\":\"" + Values.toBase64url(y) + "\"}";
        try {
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            return Values.toBase64url(sha256.digest(canonical.getBytes(StandardCharsets.US_ASCII)));
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }
}
