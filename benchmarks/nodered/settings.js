// Node-RED without editor, without HTTP nodes, without calls home: only the flow runs.
module.exports = {
    uiHost: "127.0.0.1",
    uiPort: process.env.NODE_RED_PORT,
    httpAdminRoot: false,
    httpNodeRoot: false,
    disableEditor: true,
    telemetry: { enabled: false, updateNotification: false },
    logging: { console: { level: "info", metrics: false, audit: false } },
    functionExternalModules: false,
    editorTheme: { projects: { enabled: false } },
};
