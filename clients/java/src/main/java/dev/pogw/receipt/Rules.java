package dev.pogw.receipt;

import static dev.pogw.receipt.Values.list;
import static dev.pogw.receipt.Values.number;
import static dev.pogw.receipt.Values.object;
import static dev.pogw.receipt.Values.string;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What claims may not say at once, and which assurance level they support: rules and order of the Rust crate. */
final class Rules {
    private static final List<String> HOST = List.of("provider_asserted", "guest_asserted");
    private static final List<String> HARDWARE = List.of("hardware", "provider_asserted");
    private static final List<String> RECOMPUTATION = List.of("recomputation");
    private static final Map<String, List<String>> SOURCES = Map.ofEntries(
            Map.entry("device_report", HARDWARE), Map.entry("reference_measurements", HARDWARE),
            Map.entry("revocation", HARDWARE), Map.entry("guest_quote", HARDWARE),
            Map.entry("output_commitment", List.of("hardware", "provider_asserted", "guest_asserted")),
            Map.entry("audit", RECOMPUTATION), Map.entry("freivalds", RECOMPUTATION),
            Map.entry("sumcheck", RECOMPUTATION), Map.entry("replicas", List.of("replicas")),
            Map.entry("timing", List.of("verifier_clock", "provider_asserted", "guest_asserted")),
            Map.entry("telemetry", HOST));

    private final Map<String, Object> claims;
    private final Map<String, Object> work;
    private final Map<String, Object> submods;
    private final List<Map<String, Object>> devices;
    private final List<Map<String, Object>> methods;
    private final List<String> results;

    private Rules(Map<String, Object> claims) {
        this.claims = claims;
        this.work = object(claims.get("pogw"));
        this.submods = object(claims.get("submods"));
        this.devices = list(work.get("devices"));
        this.methods = list(work.get("methods"));
        this.results = list(object(work.get("assurance")).get("results"));
    }

    /** Every rule; the first one broken is the reason. */
    static void check(Map<String, Object> claims) throws Rejected {
        Rules rules = new Rules(claims);
        rules.expiresAfterIssue();
        rules.countsAreBounded();
        rules.devicesAndSubmodsMatch();
        for (Map<String, Object> device : rules.devices) {
            appraisalFits(rules.appraisalOf(device), device);
        }
        for (Object appraisal : rules.submods.values()) {
            isNoBetter(string(claims, "ear_status"), string(object(appraisal), "ear_status"), "the receipt");
        }
        areDistinct("output_duplicate", list(rules.work.get("outputs")), "name");
        areDistinct("method_duplicate", rules.methods, "method");
        for (Map<String, Object> finding : rules.methods) {
            rules.hasMeaning(finding);
        }
        rules.revocationAgrees();
        rules.workIsConsistent();
        rules.resultsAreAffirmed();
        rules.levelIsSupported();
    }

    private Map<String, Object> appraisalOf(Map<String, Object> device) {
        return object(submods.get(string(device, "submod")));
    }

    private void expiresAfterIssue() throws Rejected {
        if (claims.containsKey("exp") && number(claims, "exp") <= Math.max(number(claims, "iat"), number(claims, "nbf"))) {
            throw new Rejected("expiry_not_after_issue", "exp is not after both iat and nbf");
        }
    }

    private void countsAreBounded() throws Rejected {
        bounded("devices", 128, devices);
        bounded("outputs", 256, list(work.get("outputs")));
        bounded("methods", 32, methods);
        bounded("collateral", 512, list(work.get("collateral")));
        bounded("revocation", 512, list(work.get("revocation")));
        if (work.containsKey("batch")) {
            bounded("batch path", 32, list(object(work.get("batch")).get("path")));
        }
    }

    private static void bounded(String what, int limit, List<?> entries) throws Rejected {
        if (entries.size() > limit) {
            throw new Rejected("too_many_entries", "%s: expected at most %d, got %d", what, limit, entries.size());
        }
    }

    private void devicesAndSubmodsMatch() throws Rejected {
        if (devices.isEmpty()) {
            throw new Rejected("devices_missing", "no devices");
        }
        Set<String> ids = new HashSet<>();
        Set<String> named = new HashSet<>();
        for (Map<String, Object> device : devices) {
            boolean isNew = ids.add(string(device, "id")) & named.add(string(device, "submod"));
            if (!isNew) {
                throw new Rejected("device_duplicate", "device %s shares its id or its submodule", device.get("id"));
            }
            if (!submods.containsKey(string(device, "submod"))) {
                throw new Rejected("device_submod_missing", "device %s has no submodule", device.get("id"));
            }
        }
        if (!named.containsAll(submods.keySet())) {
            throw new Rejected("submod_without_device", "a submodule belongs to no device");
        }
    }

    /** The tier of one value of a vector (AR4SI section 2.3.2). */
    private static String tierOf(long value) {
        if (value >= -1 && value <= 1) {
            return "none";
        }
        if (value >= -32 && value <= 31) {
            return "affirming";
        }
        return value >= -96 && value <= 95 ? "warning" : "contraindicated";
    }

    private static boolean isAffirming(Map<String, Object> vector, String category) {
        return tierOf(number(vector, category)).equals("affirming");
    }

    private static void appraisalFits(Map<String, Object> appraisal, Map<String, Object> device) throws Rejected {
        Object submod = device.get("submod");
        Map<String, Object> vector = object(appraisal.get("ear_trustworthiness_vector"));
        if (list(appraisal.get("ear_appraisal_policy_ids")).isEmpty()) {
            throw new Rejected("policy_ids_missing", "submodule %s names no policy", submod);
        }
        if (device.get("simulated").equals(true)) {
            if (appraisal.get("ear_status").equals("affirming") || isAffirming(vector, "hardware")) {
                throw new Rejected("simulated_device_affirmed", "submodule %s affirms a simulated device", submod);
            }
            saysItIsSimulated(appraisal, submod);
        }
        if (!device.get("kind").equals("cpu_tee") && number(vector, "executables") == 2) {
            throw new Rejected("executables_overstated", "submodule %s says executables 2, expected 3 at best", submod);
        }
        if ("fail".equals(appraisal.get("measres")) && isAffirming(vector, "executables")) {
            throw new Rejected("measurement_contradiction", "submodule %s affirms executables, measres is fail", submod);
        }
        isNoBetter(string(appraisal, "ear_status"), bound(vector), submod);
    }

    /** Whoever reads NVIDIA's names alone must not take software for a device. */
    private static void saysItIsSimulated(Map<String, Object> appraisal, Object submod) throws Rejected {
        for (Map.Entry<String, Object> claim : appraisal.entrySet()) {
            boolean tells = claim.getKey().equals("hwmodel") && claim.getValue() != null
                    && Arrays.asList(claim.getValue().toString().split("\\s+")).contains("SIMULATED");
            if (Claims.isVendorClaim(claim.getKey()) && !tells) {
                throw new Rejected("simulated_vendor_claim", "submodule %s states %s for a simulated device", submod,
                        Rejected.excerpt(claim.getKey()));
            }
        }
    }

    /** The best status a vector allows: the tier of its worst claim, none if it makes none. */
    private static String bound(Map<String, Object> vector) {
        List<String> stated = new ArrayList<>();
        for (Object value : vector.values()) {
            if ((Long) value != 0) {
                stated.add(tierOf((Long) value));
            }
        }
        return Claims.TIERS.stream().filter(stated::contains).findFirst().orElse("none");
    }

    private static void isNoBetter(String actual, String best, Object place) throws Rejected {
        if (Claims.TIERS.indexOf(actual) > Claims.TIERS.indexOf(best)) {
            throw new Rejected("ear_status_too_good", "ear_status of %s: expected at best %s, got %s", place, best, actual);
        }
    }

    private static void areDistinct(String code, List<Map<String, Object>> entries, String member) throws Rejected {
        Set<String> names = new HashSet<>();
        for (Map<String, Object> entry : entries) {
            if (!names.add(string(entry, member))) {
                throw new Rejected(code, "%s occurs twice", entry.get(member));
            }
        }
    }

    private void hasMeaning(Map<String, Object> finding) throws Rejected {
        String method = string(finding, "method");
        String source = string(finding, "source");
        if (!SOURCES.getOrDefault(method, List.of(source)).contains(source)) {
            throw new Rejected("method_source_not_allowed", "method %s cannot rest on %s", method, source);
        }
        if (isAffirmedBy(finding, "hardware") && isAboutSimulated(method)) {
            throw new Rejected("simulated_hardware_source", "method %s cannot rest on hardware", method);
        }
        boolean hasStrength = finding.containsKey("log2_error");
        boolean hasShare = finding.containsKey("wrong_ppm");
        if (hasStrength && !isAffirmedBy(finding, "recomputation")) {
            throw new Rejected("strength_not_allowed", "method %s has no log2_error", method);
        }
        if (hasShare != (method.equals("audit") && hasStrength)) {
            throw new Rejected("strength_share", "method %s: an audit states log2_error and wrong_ppm together", method);
        }
        if (finding.containsKey("chain") && !hasShare) {
            throw new Rejected("strength_chain", "method %s: chain stands beside the wrong_ppm of an audit", method);
        }
        boolean countsReplicas = method.equals("replicas") && finding.get("status").equals("affirmed");
        if (finding.containsKey("agreeing") != countsReplicas) {
            throw new Rejected("agreeing_count", "method %s: affirmed replicas state how many agree", method);
        }
    }

    private boolean isAboutSimulated(String method) {
        boolean ofCpu = method.equals("guest_quote");
        return devices.stream().anyMatch(device ->
                device.get("kind").equals("cpu_tee") == ofCpu && device.get("simulated").equals(true));
    }

    private static boolean isAffirmedBy(Map<String, Object> finding, String source) {
        return finding.get("status").equals("affirmed") && finding.get("source").equals(source);
    }

    private boolean isAffirmedByHardware(String method) {
        return methods.stream().anyMatch(one -> one.get("method").equals(method) && isAffirmedBy(one, "hardware"));
    }

    private boolean has(String method, String status) {
        return methods.stream().anyMatch(one -> one.get("method").equals(method) && one.get("status").equals(status));
    }

    private void revocationAgrees() throws Rejected {
        List<Map<String, Object>> certificates = list(work.get("revocation"));
        if (!certificates.isEmpty() && has("revocation", "not_requested")) {
            throw new Rejected("revocation_not_requested", "revocation lists certificates although nobody asked");
        }
        if (!has("revocation", "affirmed")) {
            return;
        }
        if (certificates.isEmpty()) {
            throw new Rejected("revocation_unshown", "revocation is affirmed without a certificate");
        }
        for (Map<String, Object> certificate : certificates) {
            if (!List.of("good", "on_hold").contains(string(certificate, "status"))) {
                throw new Rejected("revocation_contradiction", "revocation is affirmed over one that is %s",
                        certificate.get("status"));
            }
        }
    }

    private void workIsConsistent() throws Rejected {
        if (has("output_commitment", "affirmed") && list(work.get("outputs")).isEmpty()) {
            throw new Rejected("outputs_missing", "output_commitment is affirmed without outputs");
        }
        if (work.containsKey("kernel") && work.containsKey("program")) {
            throw new Rejected("program_beside_kernel", "pogw: expected a kernel or a program, got both");
        }
        for (String claim : List.of("program", "executor", "module_digest")) {
            if (work.containsKey(claim) && !HOST.contains(string(object(work.get(claim)), "source"))) {
                throw new Rejected("asserted_source_not_allowed", "%s: expected the host's word", claim);
            }
        }
        Map<String, Object> timings = object(work.get("timings"));
        if (timings != null && (!HOST.contains(string(timings, "source"))
                || number(timings, "started_unix_ms") > number(timings, "finished_unix_ms"))) {
            throw new Rejected("timings_invalid", "timings: expected an end after the start on the host's word");
        }
        Map<String, Object> batch = object(work.get("batch"));
        if (batch != null && number(batch, "index") >= number(batch, "size")) {
            throw new Rejected("batch_index_out_of_range", "batch: the place lies outside it");
        }
    }

    private void resultsAreAffirmed() throws Rejected {
        for (String result : results) {
            if (!has(result, "affirmed")) {
                throw new Rejected("assurance_result_not_affirmed", "%s is not affirmed", result);
            }
        }
        for (String result : Claims.RESULTS) {
            if (!results.isEmpty() && has(result, "refuted")) {
                throw new Rejected("assurance_result_contradicted", "%s is refuted", result);
            }
        }
    }

    private void levelIsSupported() throws Rejected {
        String claimed = string(object(work.get("assurance")), "level");
        String shortfall = shortOf(claimed);
        if (shortfall != null) {
            throw new Rejected("assurance_level_unsupported", "assurance level %s: %s", claimed, shortfall);
        }
    }

    /** What a level lacks, or null. */
    private String shortOf(String level) {
        int claimed = Claims.LEVELS.indexOf(level);
        if (claimed >= 1 && shortOfA1() != null) {
            return shortOfA1();
        }
        if (claimed >= 2 && !isAffirmedByHardware("output_commitment")) {
            return "output_not_committed";
        }
        return claimed >= 3 && !isAffirmedByHardware("guest_quote") ? "guest_not_quoted" : null;
    }

    /** Every GPU and every switch is genuine on the word of its own fresh report, and there is a GPU. */
    private String shortOfA1() {
        if (devices.stream().anyMatch(device -> device.get("simulated").equals(true))) {
            return "simulated";
        }
        if (devices.stream().noneMatch(device -> device.get("kind").equals("gpu"))) {
            return "gpu_missing";
        }
        for (Map<String, Object> device : devices) {
            Map<String, Object> appraisal = appraisalOf(device);
            if (device.get("kind").equals("cpu_tee")) {
                continue;
            }
            if (!isAffirming(object(appraisal.get("ear_trustworthiness_vector")), "hardware")) {
                return "hardware_not_affirmed";
            }
            if (!appraisal.containsKey("eat_nonce")) {
                return "evidence_nonce_missing";
            }
        }
        if (!isAffirmedByHardware("device_report")) {
            return "report_not_affirmed";
        }
        return has("revocation", "refuted") ? "revoked" : null;
    }
}
