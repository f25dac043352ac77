// A strict SCIM server of other people: scimmy's own routers over two maps.
// Usage: node server.mjs PORT TOKEN
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const [port, token] = process.argv.slice(2);

function keep(Resource, key) {
    const rows = new Map();
    const known = (id) => rows.get(id) ?? (() => { throw new SCIMMY.Types.Error(404, null, `${id} not found`); })();
    SCIMMY.Resources.declare(Resource, {
        ingress: (resource, data) => {
            const id = resource.id ? known(resource.id).id : String(rows.size + 1 + Math.floor(Math.random() * 1e9));
            const taken = (row) => row.id !== id && row[key].toLowerCase() === String(data[key]).toLowerCase();
            if ([...rows.values()].some(taken)) throw new SCIMMY.Types.Error(409, "uniqueness", `${key} is taken`);
            const row = JSON.parse(JSON.stringify({...data, id}));
            rows.set(id, row);
            return row;
        },
        egress: (resource) => {
            if (resource.id) return known(resource.id);
            const all = [...rows.values()];
            return resource.filter ? resource.filter.match(all) : all;
        },
        degress: (resource) => { rows.delete(known(resource.id).id); },
    });
}
keep(SCIMMY.Resources.User, "userName");
keep(SCIMMY.Resources.Group, "displayName");

const app = express();
app.use("/scim/v2", new SCIMMYRouters({
    type: "bearer",
    handler: (request) => {
        if (request.header("authorization") !== `Bearer ${token}`) throw new Error("wrong token");
        return "";
    },
}));
const server = app.listen(Number(port), "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
