/** `env`: reads what holds here, writes for the rest of the build. */
class Env {
    Jenkins jenkins

    Object getProperty(String name) {
        name == 'jenkins' ? this.@jenkins : this.@jenkins.environment()[name]
    }

    void setProperty(String name, Object value) {
        if (name == 'jenkins') {
            this.@jenkins = value
        } else {
            this.@jenkins.assigned[name] = value.toString()
        }
    }
}
