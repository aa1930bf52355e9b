// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-37720901e2dc.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "37720901e2dc702a331c2d14eebb1c1a38f27b9d288932f624ef2796455c0230",
        is_named_by_content: true,
        plain: include_bytes!("console-37720901e2dc.js"),
        brotli: include_bytes!("console-37720901e2dc.js.br"),
    },
    Asset {
        path: "console-74ec51df9ed3.css",
        media_type: "text/css; charset=utf-8",
        sha256: "74ec51df9ed3c3c847c9bdef9122286cf9cb67b9e2e797eeb9257f3f94876102",
        is_named_by_content: true,
        plain: include_bytes!("console-74ec51df9ed3.css"),
        brotli: include_bytes!("console-74ec51df9ed3.css.br"),
    },
    Asset {
        path: "icon-784a4185d243.svg",
        media_type: "image/svg+xml",
        sha256: "784a4185d2436f82faab3c035c49a66a804c8baa0ac2c7259288ba24cc4bba5a",
        is_named_by_content: true,
        plain: include_bytes!("icon-784a4185d243.svg"),
        brotli: include_bytes!("icon-784a4185d243.svg.br"),
    },
    Asset {
        path: "licences-3484ec557e71.txt",
        media_type: "text/plain; charset=utf-8",
        sha256: "3484ec557e71cbf551f9809541abcb507a8075135a0550de419528fb49105c29",
        is_named_by_content: true,
        plain: include_bytes!("licences-3484ec557e71.txt"),
        brotli: include_bytes!("licences-3484ec557e71.txt.br"),
    },
    Asset {
        path: "index.html",
        media_type: "text/html; charset=utf-8",
        sha256: "fbaa2796b5f254d4a97c433c2f1daaf19090da441e1fab52eb0ca95a4cf4ce5d",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]
