//! Istio: an overlay, the components that are for that overlay alone, and the proof of its routes.

use super::Part;
use crate::cut::Cut;

const BOOK: &str = "kustomize/README.md";
const CATALOGUE: &str = "xtask/src/e2e/catalogue.rs";
const CONTRACTS: &str = "xtask/src/check/contracts.rs";
const GO: &str = ".ci/tiltfile/tiltfile_test.go";
const GOLDEN: &str = "xtask/tests/it/mesh/components.rs";
const MESH: &str = "xtask/tests/it/mesh.rs";
const SCORE: &str = "xtask/src/check/validators/kube_score.rs";

pub(super) const PART: Part = Part {
    name: "istio",
    what: "the Istio overlay, and the components that are for it alone",
    needs: None,
    paths: &[
        "kustomize/components/canary-header",
        "kustomize/components/fault-injection",
        "kustomize/components/mirror",
        "kustomize/components/multicluster-mesh",
        "kustomize/overlays/istio",
        "xtask/src/check/contracts/hosts.rs",
        "xtask/tests/it/mesh/envoy.rs",
        "xtask/tests/it/mesh/faults.rs",
        "xtask/tests/it/mesh/replica.rs",
        "xtask/tests/it/mesh/retries.rs",
        "xtask/tests/it/mesh/routes.rs",
        "xtask/tests/it/mesh/translate",
        "xtask/tests/it/mesh/translate.rs",
        "xtask/tests/it/mesh/world.rs",
    ],
    cuts: &[
        Cut::lines(".ci/run", "    # The tests of the mesh's rules say SKIPPED without it.\n    install envoy .ci/from-pypi envoy \"$tools/bin\" || true\n"),
        // Tilt
        Cut::lines("Tiltfile", "OVERLAYS = [\"plain\", \"mtls\", \"istio\"]").instead("OVERLAYS = [\"plain\", \"mtls\"]\n"),
        Cut::lines("Tiltfile", "custom = {\"cert-manager.io\": [], \"istio.io\": []}").instead("custom = {\"cert-manager.io\": []}\n"),
        Cut::block("Tiltfile", "# With the CNI node agent", "--skip-confirmation\n\"\"\"\n\n"),
        Cut::block("Tiltfile", "if custom[\"istio.io\"]:", "app_deps.append(\"mesh\")"),
        Cut::lines(GO, "var overlays = []string{\"plain\", \"mtls\", \"istio\"}").instead("var overlays = []string{\"plain\", \"mtls\"}\n"),
        Cut::lines(GO, "map[string]string{\"mtls\": \"cert-manager\", \"istio\": \"istio\"}")
            .instead("\tfor overlay, need := range map[string]string{\"mtls\": \"cert-manager\"} {\n"),
        Cut::lines(GO, "for _, need := range []string{\"cert-manager\", \"istio\"} {")
            .instead("\tfor _, need := range []string{\"cert-manager\"} {\n"),
        // documents
        Cut::lines("ARCHITECTURE.md", "| what the mesh's routes mean, in a real Envoy |"),
        Cut::lines("docs/e2e.md", "cargo xtask e2e --overlay mtls           # or istio").instead("cargo xtask e2e --overlay mtls\n"),
        Cut::lines("docs/e2e.md", "| delete | a deleted pod fails no call | plain, istio |")
            .instead("| delete | a deleted pod fails no call | plain |\n"),
        Cut::block("docs/e2e.md", "The overlay istio has not been run in a mesh", "(`cargo test --package xtask --test it mesh`)."),
        Cut::lines(BOOK, "| [istio](overlays/istio) |"),
        Cut::block(BOOK, "| [canary-header](", "| [multicluster-mesh]("),
        Cut::lines(BOOK, "the client leaves balancing and retries to a mesh; a part of istio and linkerd |")
            .instead("| [mesh-client](components/mesh-client) | the client leaves balancing and retries to a mesh; a part of linkerd |\n"),
        Cut::block(BOOK, "Where kube-score is not followed", "`xtask/src/check/validators/kube_score.rs`.")
            .instead("Where kube-score is not followed, the object has an annotation with the reason.\n"),
        // what other components say about it
        Cut::block("kustomize/components/gateway/README.md", "In the overlay istio the", "in the overlay mtls the gateway would need a")
            .instead("Before the world can call it, say who may: the setting `auth`, with tokens (docs/adr/0012). In the overlay mtls the gateway would need a\n"),
        Cut::lines("kustomize/components/linkerd/README.md", "Not together with the overlay istio.")
            .instead("- **Use**: `components: [../../components/linkerd]` in the overlay plain.\n"),
        Cut::lines("kustomize/components/linkerd/grpcroute-out.yaml", "so that they may be tried again. The same\n    # numbers as the overlay istio's, for the same reasons.\n")
            .instead("    # Unary methods with idempotency_level = NO_SIDE_EFFECTS, so that they may be tried again.\n"),
        Cut::lines("kustomize/components/mesh-client/README.md", "four are twelve (`xtask/tests/it/mesh/retries.rs` counts them).").instead("four are twelve.\n"),
        Cut::lines("kustomize/components/mesh-client/README.md", "- **Needs** a mesh: the overlay istio and components/linkerd have this component already.")
            .instead("- **Needs** a mesh: components/linkerd has this component already.\n"),
        Cut::lines("kustomize/components/mesh-client/README.md", "- **See it work**: `kubectl --namespace user-istio logs")
            .instead("- **See it work**: `kubectl --namespace user-plain logs deployment/user-client` shows the spread, now the mesh's. Without this component,\n"),
        Cut::lines("kustomize/components/multicluster/README.md", "For the overlay istio there is\n  components/multicluster-mesh.\n")
            .instead("  know other clusters: the client refuses `fallbacks` beside `mesh = true`.\n"),
        // cargo xtask check
        Cut::lines(CONTRACTS, "//! | [`hosts`] |"),
        Cut::lines(CONTRACTS, "mod hosts;"),
        Cut::lines(CONTRACTS, "    Contract {\n        name: \"mesh\",\n        promise: \"hosts of Istio objects are Services, subsets are pods, principals are accounts\",\n        examine: hosts::examine,\n    },\n"),
        Cut::block("xtask/src/check/contracts/fixture.yaml", "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule", "{source: {serviceAccounts: [user-client]}}"),
        Cut::lines("xtask/src/check/contracts/references.rs", "const GIVEN: [&str; 3] = [").instead("const GIVEN: [&str; 2] = [\n"),
        Cut::lines(CONTRACTS, "pub(crate) const CONTRACTS: [Contract; 13] = [").instead("pub(crate) const CONTRACTS: [Contract; 12] = [\n"),
        Cut::block("xtask/src/check/contracts/references.rs", "    // Istio does,", "\"istio-ca-root-cert\","),
        Cut::block("xtask/src/check/manifests.rs", "const MEANT_FOR: [(&str, &[&str]); 9] = [", "(\"multicluster-mesh\", &[\"istio\"]),")
            .instead("const MEANT_FOR: [(&str, &[&str]); 5] = [\n"),
        Cut::block(SCORE, "const EXCEPTIONS: [Exception; 3] = [", "\n];").instead("const EXCEPTIONS: [Exception; 0] = [];\n"),
        Cut::block(SCORE, "    #[test]\n    fn an_exception_is_one_for_its_own_object_only() {", "\n    }\n\n"),
        Cut::lines("xtask/tests/it/check.rs", "const CONTRACTS: [&str; 15] = [").instead("const CONTRACTS: [&str; 14] = [\n"),
        Cut::lines("xtask/tests/it/check.rs", "    \"mesh\",\n"),
        // cargo xtask e2e
        Cut::block(CATALOGUE, "    /// What Istio's sidecars balance is not even", "is the same code, of which a rollout is the summary.")
            .instead("    /// The mtls overlay differs from plain in who may connect; what rollouts and lost pods do is the same code,\n    /// of which a rollout is the summary.\n"),
        Cut::block(CATALOGUE, "            Overlay::Istio => matches!(", "            ),\n"),
        Cut::block("xtask/src/e2e/overlay.rs", "    /// The same with Istio doing it.", "    Istio,"),
        Cut::lines("xtask/src/e2e/overlay.rs", "Self::Istio => \"istio\","),
        Cut::lines("xtask/src/e2e/scene.rs", "Overlay::Plain | Overlay::Istio => \"get\",").instead("            Overlay::Plain => \"get\",\n"),
        // cargo test
        Cut::block(MESH, "//! The mesh side of the manifests", "//! Envoy ([`envoy`]) is started with them before real servers ([`world`]), and a real client calls.")
            .instead("//! The mesh side of the manifests: what each component changes.\n"),
        Cut::lines(MESH, "mod envoy;\nmod faults;\n"),
        Cut::block(MESH, "mod replica;", "mod world;"),
        Cut::block(GOLDEN, "const COMPONENTS: [(&str, &str); 9] = [", "(\"fault-injection\", \"istio\"),")
            .instead("const COMPONENTS: [(&str, &str); 5] = [\n"),
        Cut::lines(GOLDEN, "    (\"mirror\", \"istio\"),"),
        Cut::lines(GOLDEN, "    (\"multicluster-mesh\", \"istio\"),"),
        Cut::block(GOLDEN, "\n#[test]\nfn the_mesh_lets_the_client_call_every_method", "\n}\n"),
        Cut::block("xtask/Cargo.toml", "[dev-dependencies]\nfutures-util.workspace = true", "tonic-prost.workspace = true")
            .instead("[dev-dependencies]\npromql-parser.workspace = true\nservice-runtime.workspace = true\nsimilar.workspace = true\n"),
        Cut::lines("Cargo.lock", " \"futures-util\",\n").within("name = \"xtask\""),
        Cut::lines("Cargo.lock", " \"tokio-stream\",\n").within("name = \"xtask\""),
        Cut::lines("Cargo.lock", " \"tonic-prost\",\n").within("name = \"xtask\""),
    ],
};
