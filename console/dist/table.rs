// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-46bd5c95bbdb.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "46bd5c95bbdbadca7b5ef3edc1ed52cdac4ac92a8437cd89a683e930c4b64325",
        is_named_by_content: true,
        plain: include_bytes!("console-46bd5c95bbdb.js"),
        brotli: include_bytes!("console-46bd5c95bbdb.js.br"),
    },
    Asset {
        path: "console-18db3078c06b.css",
        media_type: "text/css; charset=utf-8",
        sha256: "18db3078c06b86fa1061a6605d78d08cb74687dc996dfab01884b076ddd3a991",
        is_named_by_content: true,
        plain: include_bytes!("console-18db3078c06b.css"),
        brotli: include_bytes!("console-18db3078c06b.css.br"),
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
        sha256: "1e9ff489bca82d58386054d3d31346b6e752efba7f80fa85f672f4cdfd1708a9",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]
