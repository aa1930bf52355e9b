package dev.pogw.receipt;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The published vectors, good and bad: the same answer as the Rust crate's, code for code. {@code VectorsTest FOLDER}. */
public final class VectorsTest {
    private static int passed;
    private static int failed;

    private VectorsTest() {}

    private record Vector(Map<String, String> head, String body) {
        static Vector read(Path path) throws IOException {
            String[] halves = Files.readString(path).split("\n\n", 2);
            Map<String, String> head = new HashMap<>();
            for (String line : halves[0].split("\n")) {
                head.put(line.substring(0, line.indexOf(": ")), line.substring(line.indexOf(": ") + 2));
            }
            return new Vector(head, halves[1].substring(0, halves[1].length() - 1));
        }
    }

    @FunctionalInterface
    private interface Attempt {
        void make() throws Rejected;
    }

    public static void main(String[] args) throws IOException, Rejected {
        Path folder = Path.of(args[0]);
        Jwks keys = Jwks.parse(Files.readString(folder.resolve("jwks.json")));
        for (Path path : vectors(folder, 100)) {
            Vector vector = Vector.read(path);
            expect(vector.head().get("expect"), path, () -> validate(keys, vector));
        }
        for (Path path : vectors(folder.resolve("key_sets"), 20)) {
            Vector vector = Vector.read(path);
            expect(vector.head().get("expect"), path, () -> Jwks.parse(vector.body()));
        }
        Vector good = Vector.read(folder.resolve("good_es384.txt"));
        Vector large = new Vector(good.head(), good.body() + "A".repeat(1 << 20));
        expect("token_too_large", folder, () -> validate(keys, large));
        expect("jwks_too_large", folder, () -> Jwks.parse(" ".repeat(1 << 18)));
        meets(validate(keys, good));
        System.out.printf("%d passed, %d failed%n", passed, failed);
        System.exit(failed == 0 ? 0 : 1);
    }

    private static List<Path> vectors(Path folder, int atLeast) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            List<Path> found = files.filter(file -> file.toString().endsWith(".txt")).sorted().collect(Collectors.toList());
            count(found.size() >= atLeast, folder + ": expected at least " + atLeast + " vectors");
            return found;
        }
    }

    private static Receipt validate(Jwks keys, Vector vector) throws Rejected {
        Map<String, String> head = vector.head();
        String level = head.get("minimum_level");
        var expected = new Validator.Expectations(head.get("issuer"), head.get("audience"), level, level.equals("A0"),
                head.get("job"), head.get("nonce"));
        return new Validator(keys, expected).validate(vector.body(), Long.parseLong(head.get("now")));
    }

    private static void expect(String code, Path path, Attempt attempt) {
        String answered = "ok";
        try {
            attempt.make();
        } catch (Rejected rejected) {
            answered = rejected.code();
        }
        count(code.equals(answered), path.getFileName() + ": expected " + code + ", got " + answered);
    }

    private static void meets(Receipt receipt) {
        count(receipt.meets("A2", "freivalds") && receipt.meets("A0"), "expected A2 and freivalds");
        count(!receipt.meets("A3") && !receipt.meets("A2", "audit") && !receipt.meets("A4"), "expected no more");
    }

    private static void count(boolean holds, String what) {
        if (holds) {
            passed++;
        } else {
            failed++;
            System.out.println("FAIL " + what);
        }
    }
}
